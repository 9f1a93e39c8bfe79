package clients

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

// gormPerson is a row of gorm_people.
type gormPerson struct {
	ID        uint
	CreatedAt time.Time
	DeletedAt gorm.DeletedAt `gorm:"index"`
	Name      string         `gorm:"size:40;not null;uniqueIndex;comment:what they are called"`
	Age       int            `gorm:"check:age >= 0"`
	Score     float64        `gorm:"default:1.5"`
	Email     *string
}

// ddlLog remembers the statements that change a schema.
type ddlLog struct {
	logger.Interface
	mu  sync.Mutex
	ddl []string
}

func (l *ddlLog) LogMode(logger.LogLevel) logger.Interface { return l }

func (l *ddlLog) Trace(_ context.Context, _ time.Time, f func() (string, int64), _ error) {
	q, _ := f()
	switch word, _, _ := strings.Cut(strings.ToUpper(q), " "); word {
	case "CREATE", "ALTER", "DROP", "COMMENT":
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ddl = append(l.ddl, q)
	}
}

// GORM migrates, finds the second time that there is nothing to do, and works with
// rows; with prepared statements and with the simple protocol.
func TestGORM(t *testing.T) {
	for name, simple := range map[string]bool{"extended": false, "simple": true} {
		t.Run(name, func(t *testing.T) { gormRun(t, simple) })
	}
}

func gormRun(t *testing.T, simple bool) {
	log := &ddlLog{Interface: logger.Discard}
	db, err := gorm.Open(postgres.New(postgres.Config{DSN: dsn(1), PreferSimpleProtocol: simple}), &gorm.Config{Logger: log, TranslateError: true})
	if err != nil {
		t.Fatal(err)
	}
	if pool, err := db.DB(); err == nil {
		defer pool.Close()
	}
	if err := db.AutoMigrate(&gormPerson{}); err != nil {
		t.Fatal(err)
	}
	dropAfter(t, "drop table gorm_people")
	if len(log.ddl) == 0 {
		t.Fatal("nothing was created")
	}
	log.ddl = nil
	if err := db.AutoMigrate(&gormPerson{}); err != nil {
		t.Fatal(err)
	}
	if len(log.ddl) != 0 {
		t.Errorf("the second migration was not idle: %q", log.ddl)
	}
	people := []gormPerson{{Name: "ann", Age: 30}, {Name: "bob", Age: 40}}
	if err := db.Create(&people).Error; err != nil || people[1].ID == 0 || people[0].Score != 1.5 {
		t.Fatal(people, err)
	}
	if err := db.Create(&gormPerson{Name: "ann"}).Error; !errors.Is(err, gorm.ErrDuplicatedKey) {
		t.Fatal(err)
	}
	if err := db.Create(&gormPerson{Name: "neg", Age: -1}).Error; !errors.Is(err, gorm.ErrCheckConstraintViolated) {
		t.Fatal(err)
	}
	if err := db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "name"}}, DoUpdates: clause.AssignmentColumns([]string{"age"})}).
		Create(&gormPerson{Name: "ann", Age: 31}).Error; err != nil {
		t.Fatal(err)
	}
	var ann gormPerson
	if err := db.Clauses(clause.Locking{Strength: "UPDATE"}).Where("name = ?", "ann").First(&ann).Error; err != nil || ann.Age != 31 {
		t.Fatal(ann, err)
	}
	err = db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Model(&ann).Update("age", 32).Error; err != nil {
			return err
		}
		if err := tx.Transaction(func(tx *gorm.DB) error {
			return errors.Join(tx.Model(&ann).Update("age", 99).Error, errors.New("undo"))
		}); err == nil {
			return errors.New("the inner transaction was not undone")
		}
		return tx.Delete(&people[1]).Error
	})
	if err != nil {
		t.Fatal(err)
	}
	var left []gormPerson
	if err := db.Find(&left).Error; err != nil || len(left) != 1 || left[0].Age != 32 {
		t.Fatal(left, err)
	}
	cols, err := db.Migrator().ColumnTypes(&gormPerson{})
	if err != nil || len(cols) != 7 {
		t.Fatal(len(cols), err)
	}
	m := db.Migrator()
	if !m.HasTable(&gormPerson{}) || !m.HasColumn(&gormPerson{}, "Email") || !m.HasIndex(&gormPerson{}, "idx_gorm_people_name") {
		t.Error("the migrator does not see what there is")
	}
	if err := m.RenameColumn(&gormPerson{}, "email", "mail"); err != nil {
		t.Fatal(err)
	}
	if err := m.DropIndex(&gormPerson{}, "idx_gorm_people_deleted_at"); err != nil {
		t.Fatal(err)
	}
}

// TableName is the table's name.
func (gormPerson) TableName() string { return "gorm_people" }
