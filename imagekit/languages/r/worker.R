# Answers Lambda's events with an R function, over frames v1 (docs/frames.md).
#
# _HANDLER is "file.function". The function gets the event, as jsonlite::parse_json reads it (objects and arrays are
# lists), and a context: a list with aws_request_id, get_remaining_time_in_millis() and so on. What it returns is sent
# as jsonlite::toJSON(auto_unbox = TRUE) writes it: keep arrays of one as lists or in I(). A raw vector is sent as it
# is; the attribute "content_type" says what it is, and sends a text as it is too. A function is streamed: it is
# called for pieces, texts or raw vectors, until it returns NULL; the first may be list(statusCode = ..., headers =
# ...) for HTTP. The function after_restore, if there is one, is called after a SnapStart restore. Packages are also
# looked for in the folder library.
local(envir = new.env(parent = baseenv()), {
  root <- Sys.getenv("LAMBDA_TASK_ROOT", getwd())
  fds <- strsplit(Sys.getenv("IMAGEKIT_FDS"), ",", fixed = TRUE)[[1]]
  input <- fifo(paste0("/proc/self/fd/", fds[1]), "rb", blocking = TRUE)
  output <- fifo(paste0("/proc/self/fd/", fds[2]), "wb", blocking = TRUE)

  process <- Sys.getpid()

  # A child that a handler has forked ends here: the event is its parent's, and so is the folder that quit() removes.
  send <- function(frame, body = raw(), ...) {
    if (Sys.getpid() != process) tools::pskill(Sys.getpid(), tools::SIGKILL)
    if (is.character(body)) body <- charToRaw(enc2utf8(body))
    writeBin(c(charToRaw(paste0(paste(frame, length(body), ...), "\n")), body), output)
  }

  # What Lambda has a name for.
  fault <- function(type, ...) stop(errorCondition(paste0(...), class = c(type, "imagekit_fault")))

  # Runs what the user wrote. Its error comes back as a condition, with the calls that led to it.
  run <- function(expression) {
    calls <- NULL
    outer <- sys.nframe()
    tryCatch(
      withCallingHandlers(expression, error = function(e) calls <<- sys.calls()),
      error = function(e) {
        structure(list(error = e, calls = calls[-seq_len(min(outer, length(calls)))]), class = "imagekit_failure")
      }
    )
  }

  # jsonlite writes 15 digits; doubles that need more, large integers above all, are written out.
  exactly <- function(numbers) {
    if (length(numbers) != 1L || !is.finite(numbers)) return(numbers)
    exact <- signif(numbers, 15L) == numbers
    if (exact && abs(numbers) < 1e15) return(numbers)
    structure(sprintf(if (exact) "%.15g" else "%.17g", numbers), class = "json")
  }
  json <- function(value) {
    if (is.list(value)) value <- rapply(value, exactly, "numeric", how = "replace")
    if (is.double(value)) value <- exactly(value)
    jsonlite::toJSON(value, auto_unbox = TRUE, null = "null", na = "null", digits = NA, json_verbatim = TRUE)
  }

  fail <- function(frame, failure, ...) {
    named <- inherits(failure$error, "imagekit_fault")
    type <- class(failure$error)[1]
    calls <- utils::tail(if (!named) failure$calls, 200L) # the innermost; some are this file's own
    lines <- vapply(calls, function(call) deparse(call, nlines = 1L)[1], "")
    own <- c("tryCatch", "withCallingHandlers", "doTryCatch", "\\.handleSimpleError", "\\(function", "h\\(", "stop\\(",
      "run\\(", "load\\(", "eval\\(", "handler\\(", "following\\(")
    own <- paste0("^(", paste(own, collapse = "|"), ")")
    message <- tryCatch(conditionMessage(failure$error)[1], error = function(e) "(its message cannot be shown)")
    text <- iconv(c(message, utils::tail(lines[!grepl(own, lines)], 100L)), "UTF-8", "UTF-8", sub = "?")
    cat(paste0(type, ": ", paste(text, collapse = "\n    "), "\n"), file = stderr())
    counted <- if (named) type else paste0("Function.", sub("^(.)", "\\U\\1", type, perl = TRUE))
    error <- list(errorType = type, errorMessage = text[1], stackTrace = as.list(text[-1]))
    send(frame, json(error), ..., if (grepl("^[A-Z][a-z]+\\.[A-Z][A-Za-z]*$", counted)) counted else "-")
  }

  load <- function() {
    if (!requireNamespace("jsonlite", quietly = TRUE))
      fault("Runtime.ImportModuleError", "the image has no R package jsonlite")
    name <- Sys.getenv("_HANDLER")
    parts <- regmatches(name, regexec("^(.+)\\.([^.]+)$", name))[[1]]
    if (!length(parts))
      fault("Runtime.MalformedHandlerName", "the handler '", name, "' is not of the form file.function")
    file <- Filter(function(path) file.access(path, 4) == 0, paste0(root, "/", parts[2], c(".R", ".r")))[1]
    if (is.na(file)) fault("Runtime.ImportModuleError", "there is no readable file ", root, "/", parts[2], ".R")
    code <- tryCatch(parse(file, keep.source = FALSE, encoding = "UTF-8"),
      error = function(e) fault("Runtime.UserCodeSyntaxError", conditionMessage(e)))
    tryCatch(for (expression in code) eval(expression, globalenv()),
      packageNotFoundError = function(e) fault("Runtime.ImportModuleError", conditionMessage(e)))
    if (!exists(parts[3], globalenv(), mode = "function", inherits = FALSE))
      fault("Runtime.HandlerNotFound", file, " has no function ", parts[3])
    get(parts[3], globalenv(), mode = "function", inherits = FALSE)
  }

  stream <- function(id, following) {
    piece <- run(following())
    if (inherits(piece, "imagekit_failure")) return(fail("ERR", piece, id))
    http <- is.list(piece)
    type <- if (http) "vnd.awslambda.http-integration-response" else "octet-stream"
    send("STREAM", raw(), id, paste0("application/", type))
    while (!is.null(piece)) {
      send("DATA", if (http) c(charToRaw(json(piece)), raw(8)) else piece, id)
      http <- FALSE
      piece <- run(following())
      if (inherits(piece, "imagekit_failure")) return(fail("FAIL", piece, id))
    }
    send("END", raw(), id)
  }

  field <- function(text) if (!is.na(text) && text != "-") {
    text <- utils::URLdecode(text)
    Encoding(text) <- "UTF-8"
    text
  }

  invoke <- function(handler, body, fields) {
    id <- fields[1]
    told <- lapply(fields[1:7], field)
    Sys.unsetenv("_X_AMZN_TRACE_ID")
    if (!is.null(told[[4]])) Sys.setenv("_X_AMZN_TRACE_ID" = told[[4]])
    context <- list(
      aws_request_id = told[[1]], deadline_ms = as.numeric(told[[2]]), invoked_function_arn = told[[3]],
      trace_id = told[[4]], tenant_id = told[[5]], identity = if (!is.null(told[[6]])) jsonlite::parse_json(told[[6]]),
      client_context = if (!is.null(told[[7]])) jsonlite::parse_json(told[[7]]),
      function_name = Sys.getenv("AWS_LAMBDA_FUNCTION_NAME"),
      function_version = Sys.getenv("AWS_LAMBDA_FUNCTION_VERSION"),
      memory_limit_in_mb = Sys.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
      log_group_name = Sys.getenv("AWS_LAMBDA_LOG_GROUP_NAME"),
      log_stream_name = Sys.getenv("AWS_LAMBDA_LOG_STREAM_NAME"),
      get_remaining_time_in_millis = function() max(0, floor(as.numeric(told[[2]]) - 1000 * as.numeric(Sys.time())))
    )
    answer <- run({
      event <- tryCatch(if (length(body)) jsonlite::parse_json(`Encoding<-`(rawToChar(body), "UTF-8")),
        error = function(e) fault("Runtime.UnmarshalError", "the event is not JSON: ", conditionMessage(e)))
      handler(event, context)
    })
    if (inherits(answer, "imagekit_failure")) return(fail("ERR", answer, id))
    if (is.function(answer)) return(stream(id, answer))
    type <- attr(answer, "content_type", exact = TRUE)
    if (is.raw(answer) && is.null(type)) type <- "application/octet-stream"
    if (!is.null(type)) return(send("OK", answer, id, utils::URLencode(type)))
    text <- run(tryCatch(json(answer), error = function(e) fault("Runtime.MarshalError", conditionMessage(e))))
    if (inherits(text, "imagekit_failure")) fail("ERR", text, id) else send("OK", unclass(text), id)
  }

  # What comes before READY; ends the worker when it fails.
  ready <- function(expression) {
    result <- run(expression)
    if (inherits(result, "imagekit_failure")) {
      fail("INITERR", result)
      quit("no", 1L, FALSE)
    }
    send("READY")
    result
  }

  if (dir.exists(file.path(root, "library"))) .libPaths(c(file.path(root, "library"), .libPaths()))
  handler <- ready(load())
  while (length(line <- readLines(input, 1L))) {
    words <- strsplit(line, " ", fixed = TRUE)[[1]]
    size <- as.integer(words[2])
    body <- raw()
    while (length(body) < size && length(piece <- readBin(input, "raw", size - length(body)))) body <- c(body, piece)
    if (words[1] == "INVOKE") {
      invoke(handler, body, words[-(1:2)])
    } else if (words[1] == "RESTORE") {
      suppressWarnings(rm(".Random.seed", envir = globalenv())) # restored copies must not draw the same numbers
      ready(if (exists("after_restore", globalenv(), mode = "function")) get("after_restore", globalenv())())
    }
  }
})
