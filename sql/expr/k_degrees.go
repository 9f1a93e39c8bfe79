package expr

import (
	"math"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Trigonometry in degrees. The pieces are scaled so that the angles with simple
// values give exactly those, as in PostgreSQL's float.c.

const radian = math.Pi / 180

// toRadians multiplies at run time, also what the compiler could do more exactly:
// an angle and the one that it is scaled by must be rounded alike.
//
//go:noinline
func toRadians(x float64) float64 { return x * radian }

func sinTo30(x float64) float64 { return math.Sin(toRadians(x)) / math.Sin(toRadians(30)) / 2 }
func cosTo60(x float64) float64 {
	return 1 - (1-math.Cos(toRadians(x)))/(1-math.Cos(toRadians(60)))/2
}

func sinQuadrant(x float64) float64 {
	if x <= 30 {
		return sinTo30(x)
	}
	return cosTo60(90 - x)
}

func cosQuadrant(x float64) float64 {
	if x <= 60 {
		return cosTo60(x)
	}
	return sinTo30(90 - x)
}

// fold brings an angle into the first quadrant. flips says how often it crossed an
// axis that turns the sign: through zero, through 180 and through 90 degrees.
func foldAngle(x float64) (angle float64, negative, over180, over90 bool) {
	x = math.Mod(x, 360)
	if x < 0 {
		x, negative = -x, true
	}
	if x > 180 {
		x, over180 = 360-x, true
	}
	if x > 90 {
		x, over90 = 180-x, true
	}
	return x, negative, over180, over90
}

func signed(f float64, flips ...bool) float64 {
	for _, b := range flips {
		if b {
			f = -f
		}
	}
	return f
}

func sinDegrees(x float64) float64 {
	a, neg, over180, _ := foldAngle(x)
	return signed(sinQuadrant(a), neg, over180)
}

func cosDegrees(x float64) float64 {
	a, _, _, over90 := foldAngle(x)
	return signed(cosQuadrant(a), over90)
}

func tanDegrees(x float64) float64 {
	a, neg, over180, over90 := foldAngle(x)
	tan := func(a float64) float64 { return sinQuadrant(a) / cosQuadrant(a) }
	f := signed(tan(a)/tan(45), neg, over180, over90)
	if f == 0 {
		return 0 // no negative zero
	}
	return f
}

func cotDegrees(x float64) float64 {
	a, neg, over180, over90 := foldAngle(x)
	cot := func(a float64) float64 { return cosQuadrant(a) / sinQuadrant(a) }
	f := signed(cot(a)/cot(45), neg, over180, over90)
	if f == 0 {
		return 0
	}
	return f
}

func asinQuadrant(x float64) float64 {
	if x <= 0.5 {
		return math.Asin(x) / math.Asin(0.5) * 30
	}
	return 90 - math.Acos(x)/math.Acos(0.5)*60
}

func acosQuadrant(x float64) float64 {
	if x <= 0.5 {
		return 90 - math.Asin(x)/math.Asin(0.5)*30
	}
	return math.Acos(x) / math.Acos(0.5) * 60
}

func asinDegrees(x float64) float64 {
	if x >= 0 {
		return asinQuadrant(x)
	}
	return -asinQuadrant(-x)
}

func acosDegrees(x float64) float64 {
	if x >= 0 {
		return acosQuadrant(x)
	}
	return 90 + asinQuadrant(-x)
}

func errInputRange() error {
	return sqlerr.New(sqlerr.NumericValueOutOfRange, "input is out of range")
}

func (k kernels) degrees() {
	// f is defined where ok holds; NaN stays NaN.
	one := func(name string, ok func(x float64) bool, f func(float64) float64) {
		k.f1(name+"(float8)", func(_ *EvalContext, a datum) (datum, error) {
			x := a.Float()
			if math.IsNaN(x) {
				return a, nil
			}
			if !ok(x) {
				return types.Null, errInputRange()
			}
			return types.NewFloat(f(x)), nil
		})
	}
	finite := func(x float64) bool { return !math.IsInf(x, 0) }
	unit := func(x float64) bool { return x >= -1 && x <= 1 }
	any := func(float64) bool { return true }
	one("sind", finite, sinDegrees)
	one("cosd", finite, cosDegrees)
	one("tand", finite, tanDegrees)
	one("cotd", finite, cotDegrees)
	one("asind", unit, asinDegrees)
	one("acosd", unit, acosDegrees)
	one("atand", any, func(x float64) float64 { return math.Atan(x) / math.Atan(1) * 45 })
	one("asinh", any, math.Asinh)
	one("acosh", func(x float64) bool { return x >= 1 }, math.Acosh)
	one("atanh", unit, math.Atanh)
	k.f2("atan2d(float8,float8)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewFloat(math.Atan2(a.Float(), b.Float()) / math.Atan(1) * 45), nil
	})
}
