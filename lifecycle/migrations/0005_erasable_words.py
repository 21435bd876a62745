from django.db import migrations

from lifecycle.append_only import let_words_be_erased


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0004_sign")]
    operations = [let_words_be_erased("lifecycle.StateChange", "detail")]
