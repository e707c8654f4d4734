"""aurora-dwh: Aurora MySQL through S3 into Redshift, every day, with proof."""
