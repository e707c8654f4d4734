"""The deployment: CDK stacks, the image, Dagster's production configuration. Not part of the installed product."""
