package plan

func (b *binder) optimize(p *Plan) error { return nil }
