# Prints the library to install into: the first that can be written, or the user's own, made if
# need be (R looks there by itself from then on).
folders <- c(.libPaths(), path.expand(strsplit(Sys.getenv("R_LIBS_USER"), .Platform$path.sep)[[1]]))
writable <- folders[file.access(folders, mode = 2) == 0]
if (length(writable) == 0) {
  writable <- folders[[length(folders)]]
  dir.create(writable, recursive = TRUE)
}
cat(writable[[1]])
