"""The commands of ``zenmail`` that need ZenML."""
