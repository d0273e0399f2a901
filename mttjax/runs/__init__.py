"""From settings to a folder: experts, distillations, selections."""
