"""Cloud Storage: buckets and objects, over the JSON API, the XML API and in process."""
