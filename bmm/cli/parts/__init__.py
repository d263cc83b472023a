"""What several commands share. A command is a file of the folder above; these are not."""
