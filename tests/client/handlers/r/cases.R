same <- function(event, context) event

context <- function(event, context) {
  trace <- Sys.getenv("_X_AMZN_TRACE_ID")
  list(
    id = context$aws_request_id, arn = context$invoked_function_arn, trace = if (nzchar(trace)) trace,
    tenant = context$tenant_id, client_context = context$client_context, cognito = context$identity,
    `function` = context$function_name, version = context$function_version, memory = context$memory_limit_in_mb,
    remaining = context$get_remaining_time_in_millis()
  )
}

fail <- function(event, context) if (is.null(event$message)) "fine" else stop(event$message)

leave <- function(event, context) {
  if (is.null(event$code)) return("here")
  message("leaving on purpose")
  quit("no", event$code)
}

killed <- function(event, context) {
  if (!is.null(event$kill)) tools::pskill(Sys.getpid(), 9L)
  "alive"
}

forks <- function(event, context) {
  if (is.null(event$code)) return("here")
  system("sleep 60 >/dev/null 2>&1 &")
  quit("no", event$code)
}

splits <- function(event, context) {
  if (inherits(parallel:::mcfork(), "masterProcess")) return("child")
  Sys.sleep(0.1)
  "parent"
}

hang <- function(event, context) {
  while (!is.null(event$hang)) Sys.sleep(60)
  "quick"
}

big <- function(event, context) strrep("x", event$size)

logs <- function(event, context) {
  line <- strrep("l", 999)
  if (!is.null(event$lines)) writeLines(rep(line, event$lines), stderr())
  cat(event$out, "\n", sep = "")
  message(event$err)
  "logged"
}

invalid <- function(event, context) list(place = globalenv())

whole_range <- function(event, context) as.raw(0:255)

stream <- function(event, context) {
  pieces <- list("one", "two", charToRaw("three"))
  given <- 0
  function() {
    given <<- given + 1
    if (given == 2 && !is.null(event$fail)) stop("half way")
    if (given <= 3) pieces[[given]]
  }
}

web <- function(event, context) {
  pieces <- list(list(statusCode = 201, headers = list(`x-test` = "yes")), "made")
  given <- 0
  function() {
    given <<- given + 1
    if (given <= 2) pieces[[given]]
  }
}
