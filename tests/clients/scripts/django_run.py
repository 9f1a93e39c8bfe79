# Django: a schema by its schema editor, the ORM, transactions, introspection.
import os
import django
from django.conf import settings

ports = os.environ["CLIENT_PORTS"].split(",")
settings.configure(INSTALLED_APPS=[], USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres", "HOST": "127.0.0.1", "PORT": ports[0], "OPTIONS": {"sslmode": "disable"}}})
django.setup()
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Count, F, Q, Sum

class Author(models.Model):
    name = models.IntegerField(unique=True)
    bio = models.TextField(blank=True, default="")
    born = models.DateField(null=True)
    rating = models.DecimalField(max_digits=6, decimal_places=2, default=0)
    data = models.JSONField(default=dict)

    class Meta:
        app_label = "app"
        db_table = "dj_author"
        indexes = [models.Index(fields=["born", "-rating"], name="dj_author_born")]
        constraints = [models.CheckConstraint(check=Q(rating__gte=0), name="dj_author_rating")]

with connection.schema_editor() as e:
    e.create_model(Author)
try:
    Author.objects.bulk_create([Author(name=i, rating=i, data={"i": i}) for i in range(10)])
    a = Author.objects.get(name=3)
    a.bio = "three"
    a.save()
    Author.objects.filter(name=3).update(rating=F("rating") + 1)
    assert Author.objects.aggregate(s=Sum("rating"), n=Count("id")) == {"s": 46, "n": 10}
    assert Author.objects.filter(Q(bio__icontains="THR") | Q(name__in=[7, 8])).count() == 3
    assert Author.objects.filter(data__i=5).get().name == 5
    assert Author.objects.get_or_create(name=3)[1] is False
    with transaction.atomic():
        Author.objects.select_for_update().get(name=1)
        try:
            with transaction.atomic():
                Author.objects.create(name=1)
            raise SystemExit("a duplicate was taken")
        except IntegrityError:
            pass
        Author.objects.filter(name=9).delete()
    assert sum(1 for _ in Author.objects.iterator(chunk_size=3)) == 9
    with connection.cursor() as cur:
        names = connection.introspection.table_names(cur)
        assert "dj_author" in names
        cons = connection.introspection.get_constraints(cur, "dj_author")
        assert any(c["primary_key"] for c in cons.values()) and "dj_author_born" in cons and "dj_author_rating" in cons
        assert cons["dj_author_born"]["orders"] == ["ASC", "DESC"], cons["dj_author_born"]
        desc = connection.introspection.get_table_description(cur, "dj_author")
        assert [c.name for c in desc] == ["id", "name", "bio", "born", "rating", "data"]
    new = models.IntegerField(null=True)
    new.set_attributes_from_name("extra")
    with connection.schema_editor() as e:
        e.add_field(Author, new)
    assert len(connection.introspection.get_table_description(connection.cursor(), "dj_author")) == 7
finally:
    with connection.schema_editor() as e:
        e.delete_model(Author)
print("ok")
