"""How small a field can be kept, and how it does against codecs of volumes."""
