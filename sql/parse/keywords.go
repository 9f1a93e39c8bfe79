package parse

// The key words of PostgreSQL 15, their category and whether they may be a column label without AS, as pg_get_keywords()
// reports them. The words of Quorate's own statements (REGIONS, SCATTER, SPLIT, UNSPLIT) are not here: they are plain identifiers that
// the shell compares by text, so that no name is taken from anybody.

// keyword identifies a key word; notKeyword is any other word.
type keyword uint16

// category is the grammar's class of a key word: where it may be used as a name.
type category uint8

const (
	catUnreserved category = iota // a name anywhere
	catColName                    // a column or table name, not a function or type name
	catTypeFunc                   // a function or type name, not a column name
	catReserved                   // only after AS and after a dot
)

const (
	notKeyword keyword = iota
	kwAbort
	kwAbsolute
	kwAccess
	kwAction
	kwAdd
	kwAdmin
	kwAfter
	kwAggregate
	kwAll
	kwAlso
	kwAlter
	kwAlways
	kwAnalyse
	kwAnalyze
	kwAnd
	kwAny
	kwArray
	kwAs
	kwAsc
	kwAsensitive
	kwAssertion
	kwAssignment
	kwAsymmetric
	kwAt
	kwAtomic
	kwAttach
	kwAttribute
	kwAuthorization
	kwBackward
	kwBefore
	kwBegin
	kwBetween
	kwBigint
	kwBinary
	kwBit
	kwBoolean
	kwBoth
	kwBreadth
	kwBy
	kwCache
	kwCall
	kwCalled
	kwCascade
	kwCascaded
	kwCase
	kwCast
	kwCatalog
	kwChain
	kwChar
	kwCharacter
	kwCharacteristics
	kwCheck
	kwCheckpoint
	kwClass
	kwClose
	kwCluster
	kwCoalesce
	kwCollate
	kwCollation
	kwColumn
	kwColumns
	kwComment
	kwComments
	kwCommit
	kwCommitted
	kwCompression
	kwConcurrently
	kwConfiguration
	kwConflict
	kwConnection
	kwConstraint
	kwConstraints
	kwContent
	kwContinue
	kwConversion
	kwCopy
	kwCost
	kwCreate
	kwCross
	kwCsv
	kwCube
	kwCurrent
	kwCurrentCatalog
	kwCurrentDate
	kwCurrentRole
	kwCurrentSchema
	kwCurrentTime
	kwCurrentTimestamp
	kwCurrentUser
	kwCursor
	kwCycle
	kwData
	kwDatabase
	kwDay
	kwDeallocate
	kwDec
	kwDecimal
	kwDeclare
	kwDefault
	kwDefaults
	kwDeferrable
	kwDeferred
	kwDefiner
	kwDelete
	kwDelimiter
	kwDelimiters
	kwDepends
	kwDepth
	kwDesc
	kwDetach
	kwDictionary
	kwDisable
	kwDiscard
	kwDistinct
	kwDo
	kwDocument
	kwDomain
	kwDouble
	kwDrop
	kwEach
	kwElse
	kwEnable
	kwEncoding
	kwEncrypted
	kwEnd
	kwEnum
	kwEscape
	kwEvent
	kwExcept
	kwExclude
	kwExcluding
	kwExclusive
	kwExecute
	kwExists
	kwExplain
	kwExpression
	kwExtension
	kwExternal
	kwExtract
	kwFalse
	kwFamily
	kwFetch
	kwFilter
	kwFinalize
	kwFirst
	kwFloat
	kwFollowing
	kwFor
	kwForce
	kwForeign
	kwForward
	kwFreeze
	kwFrom
	kwFull
	kwFunction
	kwFunctions
	kwGenerated
	kwGlobal
	kwGrant
	kwGranted
	kwGreatest
	kwGroup
	kwGrouping
	kwGroups
	kwHandler
	kwHaving
	kwHeader
	kwHold
	kwHour
	kwIdentity
	kwIf
	kwIlike
	kwImmediate
	kwImmutable
	kwImplicit
	kwImport
	kwIn
	kwInclude
	kwIncluding
	kwIncrement
	kwIndex
	kwIndexes
	kwInherit
	kwInherits
	kwInitially
	kwInline
	kwInner
	kwInout
	kwInput
	kwInsensitive
	kwInsert
	kwInstead
	kwInt
	kwInteger
	kwIntersect
	kwInterval
	kwInto
	kwInvoker
	kwIs
	kwIsnull
	kwIsolation
	kwJoin
	kwKey
	kwLabel
	kwLanguage
	kwLarge
	kwLast
	kwLateral
	kwLeading
	kwLeakproof
	kwLeast
	kwLeft
	kwLevel
	kwLike
	kwLimit
	kwListen
	kwLoad
	kwLocal
	kwLocaltime
	kwLocaltimestamp
	kwLocation
	kwLock
	kwLocked
	kwLogged
	kwMapping
	kwMatch
	kwMatched
	kwMaterialized
	kwMaxvalue
	kwMerge
	kwMethod
	kwMinute
	kwMinvalue
	kwMode
	kwMonth
	kwMove
	kwName
	kwNames
	kwNational
	kwNatural
	kwNchar
	kwNew
	kwNext
	kwNfc
	kwNfd
	kwNfkc
	kwNfkd
	kwNo
	kwNone
	kwNormalize
	kwNormalized
	kwNot
	kwNothing
	kwNotify
	kwNotnull
	kwNowait
	kwNull
	kwNullif
	kwNulls
	kwNumeric
	kwObject
	kwOf
	kwOff
	kwOffset
	kwOids
	kwOld
	kwOn
	kwOnly
	kwOperator
	kwOption
	kwOptions
	kwOr
	kwOrder
	kwOrdinality
	kwOthers
	kwOut
	kwOuter
	kwOver
	kwOverlaps
	kwOverlay
	kwOverriding
	kwOwned
	kwOwner
	kwParallel
	kwParameter
	kwParser
	kwPartial
	kwPartition
	kwPassing
	kwPassword
	kwPlacing
	kwPlans
	kwPolicy
	kwPosition
	kwPreceding
	kwPrecision
	kwPrepare
	kwPrepared
	kwPreserve
	kwPrimary
	kwPrior
	kwPrivileges
	kwProcedural
	kwProcedure
	kwProcedures
	kwProgram
	kwPublication
	kwQuote
	kwRange
	kwRead
	kwReal
	kwReassign
	kwRecheck
	kwRecursive
	kwRef
	kwReferences
	kwReferencing
	kwRefresh
	kwReindex
	kwRelative
	kwRelease
	kwRename
	kwRepeatable
	kwReplace
	kwReplica
	kwReset
	kwRestart
	kwRestrict
	kwReturn
	kwReturning
	kwReturns
	kwRevoke
	kwRight
	kwRole
	kwRollback
	kwRollup
	kwRoutine
	kwRoutines
	kwRow
	kwRows
	kwRule
	kwSavepoint
	kwSchema
	kwSchemas
	kwScroll
	kwSearch
	kwSecond
	kwSecurity
	kwSelect
	kwSequence
	kwSequences
	kwSerializable
	kwServer
	kwSession
	kwSessionUser
	kwSet
	kwSetof
	kwSets
	kwShare
	kwShow
	kwSimilar
	kwSimple
	kwSkip
	kwSmallint
	kwSnapshot
	kwSome
	kwSql
	kwStable
	kwStandalone
	kwStart
	kwStatement
	kwStatistics
	kwStdin
	kwStdout
	kwStorage
	kwStored
	kwStrict
	kwStrip
	kwSubscription
	kwSubstring
	kwSupport
	kwSymmetric
	kwSysid
	kwSystem
	kwTable
	kwTables
	kwTablesample
	kwTablespace
	kwTemp
	kwTemplate
	kwTemporary
	kwText
	kwThen
	kwTies
	kwTime
	kwTimestamp
	kwTo
	kwTrailing
	kwTransaction
	kwTransform
	kwTreat
	kwTrigger
	kwTrim
	kwTrue
	kwTruncate
	kwTrusted
	kwType
	kwTypes
	kwUescape
	kwUnbounded
	kwUncommitted
	kwUnencrypted
	kwUnion
	kwUnique
	kwUnknown
	kwUnlisten
	kwUnlogged
	kwUntil
	kwUpdate
	kwUser
	kwUsing
	kwVacuum
	kwValid
	kwValidate
	kwValidator
	kwValue
	kwValues
	kwVarchar
	kwVariadic
	kwVarying
	kwVerbose
	kwVersion
	kwView
	kwViews
	kwVolatile
	kwWhen
	kwWhere
	kwWhitespace
	kwWindow
	kwWith
	kwWithin
	kwWithout
	kwWork
	kwWrapper
	kwWrite
	kwXml
	kwXmlattributes
	kwXmlconcat
	kwXmlelement
	kwXmlexists
	kwXmlforest
	kwXmlnamespaces
	kwXmlparse
	kwXmlpi
	kwXmlroot
	kwXmlserialize
	kwXmltable
	kwYear
	kwYes
	kwZone
)

// lookupKeyword finds a folded word.
func lookupKeyword(word string) keyword {
	switch word {
	case "abort":
		return kwAbort
	case "absolute":
		return kwAbsolute
	case "access":
		return kwAccess
	case "action":
		return kwAction
	case "add":
		return kwAdd
	case "admin":
		return kwAdmin
	case "after":
		return kwAfter
	case "aggregate":
		return kwAggregate
	case "all":
		return kwAll
	case "also":
		return kwAlso
	case "alter":
		return kwAlter
	case "always":
		return kwAlways
	case "analyse":
		return kwAnalyse
	case "analyze":
		return kwAnalyze
	case "and":
		return kwAnd
	case "any":
		return kwAny
	case "array":
		return kwArray
	case "as":
		return kwAs
	case "asc":
		return kwAsc
	case "asensitive":
		return kwAsensitive
	case "assertion":
		return kwAssertion
	case "assignment":
		return kwAssignment
	case "asymmetric":
		return kwAsymmetric
	case "at":
		return kwAt
	case "atomic":
		return kwAtomic
	case "attach":
		return kwAttach
	case "attribute":
		return kwAttribute
	case "authorization":
		return kwAuthorization
	case "backward":
		return kwBackward
	case "before":
		return kwBefore
	case "begin":
		return kwBegin
	case "between":
		return kwBetween
	case "bigint":
		return kwBigint
	case "binary":
		return kwBinary
	case "bit":
		return kwBit
	case "boolean":
		return kwBoolean
	case "both":
		return kwBoth
	case "breadth":
		return kwBreadth
	case "by":
		return kwBy
	case "cache":
		return kwCache
	case "call":
		return kwCall
	case "called":
		return kwCalled
	case "cascade":
		return kwCascade
	case "cascaded":
		return kwCascaded
	case "case":
		return kwCase
	case "cast":
		return kwCast
	case "catalog":
		return kwCatalog
	case "chain":
		return kwChain
	case "char":
		return kwChar
	case "character":
		return kwCharacter
	case "characteristics":
		return kwCharacteristics
	case "check":
		return kwCheck
	case "checkpoint":
		return kwCheckpoint
	case "class":
		return kwClass
	case "close":
		return kwClose
	case "cluster":
		return kwCluster
	case "coalesce":
		return kwCoalesce
	case "collate":
		return kwCollate
	case "collation":
		return kwCollation
	case "column":
		return kwColumn
	case "columns":
		return kwColumns
	case "comment":
		return kwComment
	case "comments":
		return kwComments
	case "commit":
		return kwCommit
	case "committed":
		return kwCommitted
	case "compression":
		return kwCompression
	case "concurrently":
		return kwConcurrently
	case "configuration":
		return kwConfiguration
	case "conflict":
		return kwConflict
	case "connection":
		return kwConnection
	case "constraint":
		return kwConstraint
	case "constraints":
		return kwConstraints
	case "content":
		return kwContent
	case "continue":
		return kwContinue
	case "conversion":
		return kwConversion
	case "copy":
		return kwCopy
	case "cost":
		return kwCost
	case "create":
		return kwCreate
	case "cross":
		return kwCross
	case "csv":
		return kwCsv
	case "cube":
		return kwCube
	case "current":
		return kwCurrent
	case "current_catalog":
		return kwCurrentCatalog
	case "current_date":
		return kwCurrentDate
	case "current_role":
		return kwCurrentRole
	case "current_schema":
		return kwCurrentSchema
	case "current_time":
		return kwCurrentTime
	case "current_timestamp":
		return kwCurrentTimestamp
	case "current_user":
		return kwCurrentUser
	case "cursor":
		return kwCursor
	case "cycle":
		return kwCycle
	case "data":
		return kwData
	case "database":
		return kwDatabase
	case "day":
		return kwDay
	case "deallocate":
		return kwDeallocate
	case "dec":
		return kwDec
	case "decimal":
		return kwDecimal
	case "declare":
		return kwDeclare
	case "default":
		return kwDefault
	case "defaults":
		return kwDefaults
	case "deferrable":
		return kwDeferrable
	case "deferred":
		return kwDeferred
	case "definer":
		return kwDefiner
	case "delete":
		return kwDelete
	case "delimiter":
		return kwDelimiter
	case "delimiters":
		return kwDelimiters
	case "depends":
		return kwDepends
	case "depth":
		return kwDepth
	case "desc":
		return kwDesc
	case "detach":
		return kwDetach
	case "dictionary":
		return kwDictionary
	case "disable":
		return kwDisable
	case "discard":
		return kwDiscard
	case "distinct":
		return kwDistinct
	case "do":
		return kwDo
	case "document":
		return kwDocument
	case "domain":
		return kwDomain
	case "double":
		return kwDouble
	case "drop":
		return kwDrop
	case "each":
		return kwEach
	case "else":
		return kwElse
	case "enable":
		return kwEnable
	case "encoding":
		return kwEncoding
	case "encrypted":
		return kwEncrypted
	case "end":
		return kwEnd
	case "enum":
		return kwEnum
	case "escape":
		return kwEscape
	case "event":
		return kwEvent
	case "except":
		return kwExcept
	case "exclude":
		return kwExclude
	case "excluding":
		return kwExcluding
	case "exclusive":
		return kwExclusive
	case "execute":
		return kwExecute
	case "exists":
		return kwExists
	case "explain":
		return kwExplain
	case "expression":
		return kwExpression
	case "extension":
		return kwExtension
	case "external":
		return kwExternal
	case "extract":
		return kwExtract
	case "false":
		return kwFalse
	case "family":
		return kwFamily
	case "fetch":
		return kwFetch
	case "filter":
		return kwFilter
	case "finalize":
		return kwFinalize
	case "first":
		return kwFirst
	case "float":
		return kwFloat
	case "following":
		return kwFollowing
	case "for":
		return kwFor
	case "force":
		return kwForce
	case "foreign":
		return kwForeign
	case "forward":
		return kwForward
	case "freeze":
		return kwFreeze
	case "from":
		return kwFrom
	case "full":
		return kwFull
	case "function":
		return kwFunction
	case "functions":
		return kwFunctions
	case "generated":
		return kwGenerated
	case "global":
		return kwGlobal
	case "grant":
		return kwGrant
	case "granted":
		return kwGranted
	case "greatest":
		return kwGreatest
	case "group":
		return kwGroup
	case "grouping":
		return kwGrouping
	case "groups":
		return kwGroups
	case "handler":
		return kwHandler
	case "having":
		return kwHaving
	case "header":
		return kwHeader
	case "hold":
		return kwHold
	case "hour":
		return kwHour
	case "identity":
		return kwIdentity
	case "if":
		return kwIf
	case "ilike":
		return kwIlike
	case "immediate":
		return kwImmediate
	case "immutable":
		return kwImmutable
	case "implicit":
		return kwImplicit
	case "import":
		return kwImport
	case "in":
		return kwIn
	case "include":
		return kwInclude
	case "including":
		return kwIncluding
	case "increment":
		return kwIncrement
	case "index":
		return kwIndex
	case "indexes":
		return kwIndexes
	case "inherit":
		return kwInherit
	case "inherits":
		return kwInherits
	case "initially":
		return kwInitially
	case "inline":
		return kwInline
	case "inner":
		return kwInner
	case "inout":
		return kwInout
	case "input":
		return kwInput
	case "insensitive":
		return kwInsensitive
	case "insert":
		return kwInsert
	case "instead":
		return kwInstead
	case "int":
		return kwInt
	case "integer":
		return kwInteger
	case "intersect":
		return kwIntersect
	case "interval":
		return kwInterval
	case "into":
		return kwInto
	case "invoker":
		return kwInvoker
	case "is":
		return kwIs
	case "isnull":
		return kwIsnull
	case "isolation":
		return kwIsolation
	case "join":
		return kwJoin
	case "key":
		return kwKey
	case "label":
		return kwLabel
	case "language":
		return kwLanguage
	case "large":
		return kwLarge
	case "last":
		return kwLast
	case "lateral":
		return kwLateral
	case "leading":
		return kwLeading
	case "leakproof":
		return kwLeakproof
	case "least":
		return kwLeast
	case "left":
		return kwLeft
	case "level":
		return kwLevel
	case "like":
		return kwLike
	case "limit":
		return kwLimit
	case "listen":
		return kwListen
	case "load":
		return kwLoad
	case "local":
		return kwLocal
	case "localtime":
		return kwLocaltime
	case "localtimestamp":
		return kwLocaltimestamp
	case "location":
		return kwLocation
	case "lock":
		return kwLock
	case "locked":
		return kwLocked
	case "logged":
		return kwLogged
	case "mapping":
		return kwMapping
	case "match":
		return kwMatch
	case "matched":
		return kwMatched
	case "materialized":
		return kwMaterialized
	case "maxvalue":
		return kwMaxvalue
	case "merge":
		return kwMerge
	case "method":
		return kwMethod
	case "minute":
		return kwMinute
	case "minvalue":
		return kwMinvalue
	case "mode":
		return kwMode
	case "month":
		return kwMonth
	case "move":
		return kwMove
	case "name":
		return kwName
	case "names":
		return kwNames
	case "national":
		return kwNational
	case "natural":
		return kwNatural
	case "nchar":
		return kwNchar
	case "new":
		return kwNew
	case "next":
		return kwNext
	case "nfc":
		return kwNfc
	case "nfd":
		return kwNfd
	case "nfkc":
		return kwNfkc
	case "nfkd":
		return kwNfkd
	case "no":
		return kwNo
	case "none":
		return kwNone
	case "normalize":
		return kwNormalize
	case "normalized":
		return kwNormalized
	case "not":
		return kwNot
	case "nothing":
		return kwNothing
	case "notify":
		return kwNotify
	case "notnull":
		return kwNotnull
	case "nowait":
		return kwNowait
	case "null":
		return kwNull
	case "nullif":
		return kwNullif
	case "nulls":
		return kwNulls
	case "numeric":
		return kwNumeric
	case "object":
		return kwObject
	case "of":
		return kwOf
	case "off":
		return kwOff
	case "offset":
		return kwOffset
	case "oids":
		return kwOids
	case "old":
		return kwOld
	case "on":
		return kwOn
	case "only":
		return kwOnly
	case "operator":
		return kwOperator
	case "option":
		return kwOption
	case "options":
		return kwOptions
	case "or":
		return kwOr
	case "order":
		return kwOrder
	case "ordinality":
		return kwOrdinality
	case "others":
		return kwOthers
	case "out":
		return kwOut
	case "outer":
		return kwOuter
	case "over":
		return kwOver
	case "overlaps":
		return kwOverlaps
	case "overlay":
		return kwOverlay
	case "overriding":
		return kwOverriding
	case "owned":
		return kwOwned
	case "owner":
		return kwOwner
	case "parallel":
		return kwParallel
	case "parameter":
		return kwParameter
	case "parser":
		return kwParser
	case "partial":
		return kwPartial
	case "partition":
		return kwPartition
	case "passing":
		return kwPassing
	case "password":
		return kwPassword
	case "placing":
		return kwPlacing
	case "plans":
		return kwPlans
	case "policy":
		return kwPolicy
	case "position":
		return kwPosition
	case "preceding":
		return kwPreceding
	case "precision":
		return kwPrecision
	case "prepare":
		return kwPrepare
	case "prepared":
		return kwPrepared
	case "preserve":
		return kwPreserve
	case "primary":
		return kwPrimary
	case "prior":
		return kwPrior
	case "privileges":
		return kwPrivileges
	case "procedural":
		return kwProcedural
	case "procedure":
		return kwProcedure
	case "procedures":
		return kwProcedures
	case "program":
		return kwProgram
	case "publication":
		return kwPublication
	case "quote":
		return kwQuote
	case "range":
		return kwRange
	case "read":
		return kwRead
	case "real":
		return kwReal
	case "reassign":
		return kwReassign
	case "recheck":
		return kwRecheck
	case "recursive":
		return kwRecursive
	case "ref":
		return kwRef
	case "references":
		return kwReferences
	case "referencing":
		return kwReferencing
	case "refresh":
		return kwRefresh
	case "reindex":
		return kwReindex
	case "relative":
		return kwRelative
	case "release":
		return kwRelease
	case "rename":
		return kwRename
	case "repeatable":
		return kwRepeatable
	case "replace":
		return kwReplace
	case "replica":
		return kwReplica
	case "reset":
		return kwReset
	case "restart":
		return kwRestart
	case "restrict":
		return kwRestrict
	case "return":
		return kwReturn
	case "returning":
		return kwReturning
	case "returns":
		return kwReturns
	case "revoke":
		return kwRevoke
	case "right":
		return kwRight
	case "role":
		return kwRole
	case "rollback":
		return kwRollback
	case "rollup":
		return kwRollup
	case "routine":
		return kwRoutine
	case "routines":
		return kwRoutines
	case "row":
		return kwRow
	case "rows":
		return kwRows
	case "rule":
		return kwRule
	case "savepoint":
		return kwSavepoint
	case "schema":
		return kwSchema
	case "schemas":
		return kwSchemas
	case "scroll":
		return kwScroll
	case "search":
		return kwSearch
	case "second":
		return kwSecond
	case "security":
		return kwSecurity
	case "select":
		return kwSelect
	case "sequence":
		return kwSequence
	case "sequences":
		return kwSequences
	case "serializable":
		return kwSerializable
	case "server":
		return kwServer
	case "session":
		return kwSession
	case "session_user":
		return kwSessionUser
	case "set":
		return kwSet
	case "setof":
		return kwSetof
	case "sets":
		return kwSets
	case "share":
		return kwShare
	case "show":
		return kwShow
	case "similar":
		return kwSimilar
	case "simple":
		return kwSimple
	case "skip":
		return kwSkip
	case "smallint":
		return kwSmallint
	case "snapshot":
		return kwSnapshot
	case "some":
		return kwSome
	case "sql":
		return kwSql
	case "stable":
		return kwStable
	case "standalone":
		return kwStandalone
	case "start":
		return kwStart
	case "statement":
		return kwStatement
	case "statistics":
		return kwStatistics
	case "stdin":
		return kwStdin
	case "stdout":
		return kwStdout
	case "storage":
		return kwStorage
	case "stored":
		return kwStored
	case "strict":
		return kwStrict
	case "strip":
		return kwStrip
	case "subscription":
		return kwSubscription
	case "substring":
		return kwSubstring
	case "support":
		return kwSupport
	case "symmetric":
		return kwSymmetric
	case "sysid":
		return kwSysid
	case "system":
		return kwSystem
	case "table":
		return kwTable
	case "tables":
		return kwTables
	case "tablesample":
		return kwTablesample
	case "tablespace":
		return kwTablespace
	case "temp":
		return kwTemp
	case "template":
		return kwTemplate
	case "temporary":
		return kwTemporary
	case "text":
		return kwText
	case "then":
		return kwThen
	case "ties":
		return kwTies
	case "time":
		return kwTime
	case "timestamp":
		return kwTimestamp
	case "to":
		return kwTo
	case "trailing":
		return kwTrailing
	case "transaction":
		return kwTransaction
	case "transform":
		return kwTransform
	case "treat":
		return kwTreat
	case "trigger":
		return kwTrigger
	case "trim":
		return kwTrim
	case "true":
		return kwTrue
	case "truncate":
		return kwTruncate
	case "trusted":
		return kwTrusted
	case "type":
		return kwType
	case "types":
		return kwTypes
	case "uescape":
		return kwUescape
	case "unbounded":
		return kwUnbounded
	case "uncommitted":
		return kwUncommitted
	case "unencrypted":
		return kwUnencrypted
	case "union":
		return kwUnion
	case "unique":
		return kwUnique
	case "unknown":
		return kwUnknown
	case "unlisten":
		return kwUnlisten
	case "unlogged":
		return kwUnlogged
	case "until":
		return kwUntil
	case "update":
		return kwUpdate
	case "user":
		return kwUser
	case "using":
		return kwUsing
	case "vacuum":
		return kwVacuum
	case "valid":
		return kwValid
	case "validate":
		return kwValidate
	case "validator":
		return kwValidator
	case "value":
		return kwValue
	case "values":
		return kwValues
	case "varchar":
		return kwVarchar
	case "variadic":
		return kwVariadic
	case "varying":
		return kwVarying
	case "verbose":
		return kwVerbose
	case "version":
		return kwVersion
	case "view":
		return kwView
	case "views":
		return kwViews
	case "volatile":
		return kwVolatile
	case "when":
		return kwWhen
	case "where":
		return kwWhere
	case "whitespace":
		return kwWhitespace
	case "window":
		return kwWindow
	case "with":
		return kwWith
	case "within":
		return kwWithin
	case "without":
		return kwWithout
	case "work":
		return kwWork
	case "wrapper":
		return kwWrapper
	case "write":
		return kwWrite
	case "xml":
		return kwXml
	case "xmlattributes":
		return kwXmlattributes
	case "xmlconcat":
		return kwXmlconcat
	case "xmlelement":
		return kwXmlelement
	case "xmlexists":
		return kwXmlexists
	case "xmlforest":
		return kwXmlforest
	case "xmlnamespaces":
		return kwXmlnamespaces
	case "xmlparse":
		return kwXmlparse
	case "xmlpi":
		return kwXmlpi
	case "xmlroot":
		return kwXmlroot
	case "xmlserialize":
		return kwXmlserialize
	case "xmltable":
		return kwXmltable
	case "year":
		return kwYear
	case "yes":
		return kwYes
	case "zone":
		return kwZone
	}
	return notKeyword
}

// category of a key word.
func (k keyword) category() category {
	switch k {
	case kwBetween, kwBigint, kwBit, kwBoolean, kwChar, kwCharacter,
		kwCoalesce, kwDec, kwDecimal, kwExists, kwExtract, kwFloat,
		kwGreatest, kwGrouping, kwInout, kwInt, kwInteger, kwInterval,
		kwLeast, kwNational, kwNchar, kwNone, kwNormalize, kwNullif,
		kwNumeric, kwOut, kwOverlay, kwPosition, kwPrecision, kwReal,
		kwRow, kwSetof, kwSmallint, kwSubstring, kwTime, kwTimestamp,
		kwTreat, kwTrim, kwValues, kwVarchar, kwXmlattributes, kwXmlconcat,
		kwXmlelement, kwXmlexists, kwXmlforest, kwXmlnamespaces, kwXmlparse, kwXmlpi,
		kwXmlroot, kwXmlserialize, kwXmltable:
		return catColName
	case kwAuthorization, kwBinary, kwCollation, kwConcurrently, kwCross, kwCurrentSchema,
		kwFreeze, kwFull, kwIlike, kwInner, kwIs, kwIsnull,
		kwJoin, kwLeft, kwLike, kwNatural, kwNotnull, kwOuter,
		kwOverlaps, kwRight, kwSimilar, kwTablesample, kwVerbose:
		return catTypeFunc
	case kwAll, kwAnalyse, kwAnalyze, kwAnd, kwAny, kwArray,
		kwAs, kwAsc, kwAsymmetric, kwBoth, kwCase, kwCast,
		kwCheck, kwCollate, kwColumn, kwConstraint, kwCreate, kwCurrentCatalog,
		kwCurrentDate, kwCurrentRole, kwCurrentTime, kwCurrentTimestamp, kwCurrentUser, kwDefault,
		kwDeferrable, kwDesc, kwDistinct, kwDo, kwElse, kwEnd,
		kwExcept, kwFalse, kwFetch, kwFor, kwForeign, kwFrom,
		kwGrant, kwGroup, kwHaving, kwIn, kwInitially, kwIntersect,
		kwInto, kwLateral, kwLeading, kwLimit, kwLocaltime, kwLocaltimestamp,
		kwNot, kwNull, kwOffset, kwOn, kwOnly, kwOr,
		kwOrder, kwPlacing, kwPrimary, kwReferences, kwReturning, kwSelect,
		kwSessionUser, kwSome, kwSymmetric, kwTable, kwThen, kwTo,
		kwTrailing, kwTrue, kwUnion, kwUnique, kwUser, kwUsing,
		kwVariadic, kwWhen, kwWhere, kwWindow, kwWith:
		return catReserved
	}
	return catUnreserved
}

// bareLabel reports whether the word may follow an expression as its label without AS.
func (k keyword) bareLabel() bool {
	switch k {
	case kwArray, kwAs, kwChar, kwCharacter, kwCreate, kwDay,
		kwExcept, kwFetch, kwFilter, kwFor, kwFrom, kwGrant,
		kwGroup, kwHaving, kwHour, kwIntersect, kwInto, kwIsnull,
		kwLimit, kwMinute, kwMonth, kwNotnull, kwOffset, kwOn,
		kwOrder, kwOver, kwOverlaps, kwPrecision, kwReturning, kwSecond,
		kwTo, kwUnion, kwVarying, kwWhere, kwWindow, kwWith,
		kwWithin, kwWithout, kwYear:
		return false
	}
	return true
}
