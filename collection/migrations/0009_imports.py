import collection.states
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('collection', '0008_round_zero'),
        ('modelserver', '0003_dates_can_be_set'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # The columns stay as they are; only Django sets them otherwise.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='assignment',
                    name='created_at',
                    field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='attempt',
                    name='created_at',
                    field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='evaluation',
                    name='created_at',
                    field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='example',
                    name='submitted_at',
                    field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='experiment',
                    name='created_at',
                    field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='round',
                    name='opened_at',
                    field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='testset',
                    name='created_at',
                    field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                migrations.AlterField(
                    model_name='validation',
                    name='created_at',
                    field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
            ],
        ),
        migrations.CreateModel(
            name='DataImport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('kind', models.CharField(choices=[('release', 'a release of a study'), ('round-zero', 'data that arms start with'), ('contexts', 'contexts'), ('test-set', 'a test set')], max_length=20)),
                ('name', models.CharField(blank=True, max_length=200)),
                ('options', models.JSONField(blank=True, default=dict)),
                ('size', models.BigIntegerField(null=True)),
                ('state', models.CharField(choices=[('due', 'due'), ('working', 'working'), ('done', 'done'), ('refused', 'refused'), ('failed', 'failed')], default=collection.states.ImportState['DUE'], max_length=20)),
                ('problem', models.TextField(blank=True)),
                ('owner', models.UUIDField(blank=True, null=True)),
                ('heartbeat_at', models.DateTimeField(blank=True, null=True)),
                ('progress', models.JSONField(blank=True, default=dict)),
                ('faults', models.JSONField(blank=True, default=list)),
                ('fault_count', models.PositiveIntegerField(default=0)),
                ('outcome', models.CharField(blank=True, max_length=300)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('ended_at', models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name='ImportedVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
        ),
        migrations.RemoveConstraint(
            model_name='experiment',
            name='experiment_runs_with_a_base_version',
        ),
        migrations.AddField(
            model_name='experiment',
            name='imported_from',
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AlterField(
            model_name='experiment',
            name='state',
            field=models.CharField(choices=[('draft', 'draft'), ('preparing', 'preparing'), ('running', 'running'), ('paused', 'paused'), ('finished', 'finished'), ('ended', 'ended'), ('importing', 'importing')], default=collection.states.ExperimentState['DRAFT'], max_length=20),
        ),
        migrations.AddConstraint(
            model_name='experiment',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ('draft', 'preparing', 'ended', 'importing')), ('base_version__isnull', False), _connector='OR'), name='experiment_runs_with_a_base_version'),
        ),
        migrations.AddField(
            model_name='dataimport',
            name='experiment',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='imports', to='collection.experiment'),
        ),
        migrations.AddField(
            model_name='dataimport',
            name='made',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='collection.experiment'),
        ),
        migrations.AddField(
            model_name='dataimport',
            name='task',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='collection.task'),
        ),
        migrations.AddField(
            model_name='dataimport',
            name='user',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='importedversion',
            name='version',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='imported', to='modelserver.modelversion'),
        ),
        migrations.AddIndex(
            model_name='dataimport',
            index=models.Index(fields=['state'], name='collection__state_72eaf6_idx'),
        ),
    ]
