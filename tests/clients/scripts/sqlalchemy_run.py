# SQLAlchemy: tables, the ORM, savepoints, introspection.
import os
import sqlalchemy as sa
from sqlalchemy import inspect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()

class Item(Base):
    __tablename__ = "sa_item"
    __table_args__ = (sa.UniqueConstraint("name", name="sa_item_name"), sa.Index("sa_item_kind", "kind", "price"), sa.CheckConstraint("price >= 0", name="sa_item_price"))
    id = sa.Column(sa.BigInteger, primary_key=True)
    name = sa.Column(sa.String(40), nullable=False, comment="what it is called")
    kind = sa.Column(sa.Enum("a", "b", name="sa_kind"), server_default="a")
    price = sa.Column(sa.Numeric(10, 2), server_default="0")
    at = sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
    tags = sa.Column(sa.ARRAY(sa.Text))
    doc = sa.Column(sa.JSON)

ports = os.environ["CLIENT_PORTS"].split(",")
engine = sa.create_engine("postgresql+psycopg2://postgres@127.0.0.1:%s/postgres?sslmode=disable" % ports[2 % len(ports)])
Base.metadata.create_all(engine)
try:
    with Session(engine) as s:
        s.add_all([Item(name="i%d" % i, price=i, tags=["x", "y"], doc={"i": i}) for i in range(10)])
        s.commit()
        assert s.query(Item).filter(Item.price > 4).count() == 5
        it = s.query(Item).filter_by(name="i3").with_for_update().one()
        it.kind = "b"
        s.flush()
        try:
            with s.begin_nested():
                s.add(Item(name="i3"))
                s.flush()
            raise SystemExit("a duplicate was taken")
        except IntegrityError as e:
            assert e.orig.diag.constraint_name == "sa_item_name"
        s.commit()
        assert s.query(Item.kind).filter_by(name="i3").scalar() == "b"
        assert s.query(sa.func.sum(Item.price)).scalar() == 45
        s.query(Item).filter(Item.name.in_(["i1", "i2"])).delete()
        s.commit()
        assert s.query(Item).count() == 8
    i = inspect(engine)
    assert "sa_item" in i.get_table_names()
    cols = {c["name"]: c for c in i.get_columns("sa_item")}
    assert list(cols) == ["id", "name", "kind", "price", "at", "tags", "doc"], list(cols)
    assert cols["name"]["comment"] == "what it is called" and not cols["name"]["nullable"]
    assert isinstance(cols["price"]["type"], sa.Numeric) and cols["price"]["type"].precision == 10
    assert cols["kind"]["type"].enums == ["a", "b"]
    assert i.get_pk_constraint("sa_item")["constrained_columns"] == ["id"]
    assert [u["name"] for u in i.get_unique_constraints("sa_item")] == ["sa_item_name"]
    assert {x["name"]: x["column_names"] for x in i.get_indexes("sa_item")}["sa_item_kind"] == ["kind", "price"]
    assert [k["name"] for k in i.get_check_constraints("sa_item")] == ["sa_item_price"]
    again = sa.MetaData()
    again.reflect(engine, only=["sa_item"])
    assert again.tables["sa_item"].c.tags is not None
finally:
    Base.metadata.drop_all(engine)
print("ok")
