import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('collection', '0007_release'),
    ]

    operations = [
        migrations.CreateModel(
            name='RoundZero',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sha256', models.CharField(max_length=64)),
                ('rows', models.PositiveIntegerField()),
                ('name', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('arm', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='round_zero', to='collection.arm')),
            ],
        ),
    ]
