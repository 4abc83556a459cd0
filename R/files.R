# Files of fits and of blocks: written beside, read back, sealed with a hash and renamed; seals are checked before reading.
#
# A file is RDS in gzip, which readRDS() reads anywhere. Its seal is a second, empty member of that gzip, whose comment is a
# hash of all bytes before it: damage shows before anything is made of the bytes.

# `name` is the argument.
check_existing_file <- function(file, name) {
  if (is.character(file) && length(file) == 1 && !is.na(file) && file.exists(file) && !dir.exists(file)) return(invisible())
  given <- given_value(file)
  abort_twill("file", c("{.arg {name}} must be the path of a file that exists.", "x" = "It is {.val {given}}."))
}

# Whether the value is now in the file. If not, what was there before still is.
write_rds <- function(value, path, compress = FALSE) {
  beside <- tempfile("twill", dirname(path), ".rds")
  on.exit(unlink(beside))
  failed <- function(e) FALSE
  tryCatch(write_gzip(value, beside, compress) && is_whole_gzip(beside) && seal_file(beside) && file.rename(beside, path),
           error = failed, warning = failed)
}

warn_unwritten <- function(path) {
  warn_twill("file", c("Nothing could be saved to {.file {path}}.", "i" = "Is the disk full, or the folder gone?",
                       if (file.exists(path)) c("i" = "What the file held before is still there.")))
}

# Doubles hardly become smaller: blocks are not compressed, but in the same form.
write_gzip <- function(value, path, compress) {
  con <- gzfile(path, "wb", compression = if (compress) 6 else 0)
  on.exit(close(con))
  saveRDS(value, con)
  TRUE
}

# Whether all bytes are there that the end of the file states. On a full disk the last ones fail when the file is closed,
# where R does not look.
is_whole_gzip <- function(path) {
  stated <- file_bytes(path, file.size(path) - 4, 4)
  if (length(stated) < 4) return(FALSE)
  n <- sum(as.numeric(over_chunks(gzfile(path, "rb"), Inf, length)))
  n %% 2^32 == sum(as.numeric(stated) * 256^(0:3))
}

# Values of f of up to `size` bytes, some at a time.
over_chunks <- function(con, size, f) {
  on.exit(close(con))
  values <- NULL
  repeat {
    bytes <- readBin(con, "raw", min(size, 2^24))
    if (length(bytes) == 0) return(values)
    values <- c(values, f(bytes))
    size <- size - length(bytes)
  }
}

file_bytes <- function(path, from, n) {
  if (!isTRUE(from >= 0)) return(raw())
  con <- file(path, "rb")
  on.exit(close(con))
  seek(con, from)
  readBin(con, "raw", n)
}

# Hash of the first bytes of a file, by chunks: files may be larger than memory.
file_hash <- function(path, size = Inf) {
  cli::hash_md5(paste(over_chunks(file(path, "rb"), size, cli::hash_raw_md5), collapse = ""))
}

# Header of a member without name and time, with a comment; then no content, of checksum and size zero.
seal_start <- c(as.raw(c(0x1f, 0x8b, 8, 16, 0, 0, 0, 0, 0, 255)), charToRaw("twill "))
seal_end <- as.raw(c(0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0))

new_seal <- function(hash) c(seal_start, charToRaw(hash), seal_end)

seal_length <- length(seal_start) + 32 + length(seal_end)

seal_file <- function(path) {
  size <- file.size(path)
  seal <- new_seal(file_hash(path))
  con <- file(path, "ab")
  writeBin(seal, con)
  close(con)
  identical(file_bytes(path, size, 2 * seal_length), seal)
}

# "whole", "damaged", or "none" for files that others have written.
seal_state <- function(path) {
  size <- file.size(path) - seal_length
  seal <- file_bytes(path, size, seal_length)
  is_seal <- length(seal) == seal_length && identical(seal[seq_along(seal_start)], seal_start)
  if (!is_seal) return("none")
  if (identical(seal, new_seal(file_hash(path, size)))) "whole" else "damaged"
}

# A hash of any value that saveRDS() would keep. In version 2 of the format compact sequences are as others. The first bytes
# say by which version of R they were written.
value_hash <- function(value) {
  bytes <- serialize(value, NULL, xdr = FALSE, version = 2)
  bytes[1:14] <- as.raw(0)
  cli::hash_raw_md5(bytes)
}
