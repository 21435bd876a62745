from django.db import migrations

from lifecycle.append_only import refuse_updates


class Migration(migrations.Migration):
    dependencies = [("modelserver", "0001_initial")]
    operations = [refuse_updates("modelserver_modelversion")]
