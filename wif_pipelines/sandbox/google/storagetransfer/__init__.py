"""Storage Transfer Service: jobs that copy objects from S3 to Cloud Storage, and their runs, carried out for real."""
