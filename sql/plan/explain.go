package plan

// Explain prints a plan.
func Explain(p *Plan) []string { return nil }
