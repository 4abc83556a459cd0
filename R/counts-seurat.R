# Input of Seurat objects: the counts of one assay and the metadata of the cells, by SeuratObject alone.

is_seurat <- function(x) inherits(x, "Seurat")

# list(counts, data, assay, rows). `assay` is a name of the object's own, or the default of the doors, which stands for the active
# one.
# Of version 5 layers are read, of older ones slots.
read_seurat <- function(x, assay, layer, col_data) {
  if (!is.null(col_data)) abort_twill("genes", "{.arg col_data} is for matrices: {.arg x} has its own, {.code x[[]]}.")
  assay <- seurat_assay(x, assay)
  counts <- seurat_layer(x, assay, layer)
  list(counts = counts, data = x[[]], assay = assay, rows = texts_of_rows(x[[assay]][[]], rownames(counts)))
}

# The name of the assay that is meant.
seurat_assay <- function(x, assay) {
  need_seurat_object()
  known <- SeuratObject::Assays(x)
  if (identical(assay, "counts") || identical(assay, "logcounts")) assay <- SeuratObject::DefaultAssay(x)
  if (is.character(assay) && length(assay) == 1 && assay %in% known) return(assay)
  given <- given_value(assay)
  abort_twill("genes", c("{.arg assay} must name an assay of {.arg x}.", "x" = "It is {.val {given}}.",
                         did_you_mean(as.character(given)[1], known), "i" = "There are {.val {known}}."))
}

# What is known of the rows of an assay.
seurat_features <- function(x, assay) x[[seurat_assay(x, assay)]][[]]

need_seurat_object <- function() {
  if (has_seurat_object()) return(invisible())
  abort_twill("package", c("The package {.pkg SeuratObject} is needed to read {.arg x}.",
                           "i" = "Install it: {.code install.packages(\"SeuratObject\")}.",
                           "i" = "Or give {.arg x} as a matrix of counts, and the metadata of the cells as {.arg col_data}."))
}

has_seurat_object <- function() requireNamespace("SeuratObject", quietly = TRUE)

seurat_layer <- function(x, assay, layer) {
  object <- x[[assay]]
  read <- function(name) getExportedValue("SeuratObject", name)
  if (!inherits(object, "StdAssay")) {
    # SeuratObject 5 calls slots layers, and warns of the old name.
    has_layers <- utils::packageVersion("SeuratObject") >= "5"
    return(if (has_layers) read("LayerData")(object, layer = layer) else read("GetAssayData")(object, slot = layer))
  }
  # Integrated objects hold a layer per sample.
  found <- grep(sprintf("^%s([.]|$)", layer), read("Layers")(object), value = TRUE)
  if (length(found) == 1) return(read("LayerData")(object, layer = found))
  abort_twill("genes", c("{.arg x} must have its {layer} in one layer of assay {.val {assay}}.",
                         "x" = if (length(found)) "They are in {length(found)}: {.val {some(found)}}." else "It has none.",
                         "i" = if (length(found)) "{.code JoinLayers(x)} makes them one.",
                         "i" = if (!length(found) && layer == "data") "{.code NormalizeData(x)} makes them of the counts."))
}
