"""A household's own file of any kind becomes the long table: `data.importing.importer.import_file`."""
