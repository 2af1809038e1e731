"""The whole way over HTTP, side by side with Orthanc: upload, de-identified, downloaded."""
