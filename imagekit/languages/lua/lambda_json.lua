-- JSON for Lua, which has none of its own (RFC 8259). Handlers get it with require "lambda_json".
--
-- decode: null is json.null, in arrays and objects alike; an array stays one, even when it is empty. Integers stay
-- integers. encode: a table is an array when decode or json.array made it, or when its keys are 1 to n; all others
-- are objects. Both raise a text that says what is wrong.
local json = {null = setmetatable({}, {__tostring = function() return "null" end})}
local array = {}
local DEPTH = 512
local UNESCAPED = {['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}
local ESCAPED = {}
for name, char in pairs(UNESCAPED) do ESCAPED[char] = "\\" .. name end
local WORDS = {t = {"true", true}, f = {"false", false}, n = {"null", json.null}}
local byte, find, format, match, sub = string.byte, string.find, string.format, string.match, string.sub
local value

-- A table that is an array even when it is empty.
function json.array(items) return setmetatable(items or {}, array) end

local function broken(what, at) error(format("%s at byte %d", what, at), 0) end

-- Where the next token begins.
local function skip(text, at) return find(text, "[^ \t\r\n]", at) or #text + 1 end

-- What a backslash at `at` stands for, and where it goes on; half of a surrogate pair alone is U+FFFD (section 8.2).
local function escape(text, at)
  local plain = UNESCAPED[sub(text, at + 1, at + 1)]
  if plain then return plain, at + 2 end
  local code = tonumber(match(text, "^u(%x%x%x%x)", at + 1) or broken("no escape", at), 16)
  if code < 0xD800 or code > 0xDFFF then return utf8.char(code), at + 6 end
  local low = tonumber(match(text, "^\\u([dD][c-fC-F]%x%x)", at + 6) or "0", 16)
  if code > 0xDBFF or low == 0 then return "\u{FFFD}", at + 6 end
  return utf8.char(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), at + 12
end

local function string_at(text, at)
  local parts, from = {}, at + 1
  while true do
    local stop = find(text, '[%c"\\]', from) or broken("a string without end", at)
    local char = byte(text, stop)
    if char == 34 and #parts == 0 then return sub(text, from, stop - 1), stop + 1 end
    if char < 32 then broken("a control character in a string", stop) end
    parts[#parts + 1] = sub(text, from, char == 127 and stop or stop - 1)
    if char == 34 then return table.concat(parts), stop + 1 end
    from = stop + 1
    if char == 92 then parts[#parts + 1], from = escape(text, stop) end
  end
end

local function number_at(text, at)
  local stop = select(2, find(text, "^-?%d+", at)) or broken("no value", at)
  if find(text, "^-?0%d", at) then broken("a number that begins with 0", at) end
  stop = select(2, find(text, "^%.%d+", stop + 1)) or stop
  stop = select(2, find(text, "^[eE][+-]?%d+", stop + 1)) or stop
  return tonumber(sub(text, at, stop)), stop + 1
end

local function array_at(text, at, depth)
  local items, n = json.array(), 0
  at = skip(text, at + 1)
  if byte(text, at) == 93 then return items, at + 1 end
  while true do
    n = n + 1
    items[n], at = value(text, at, depth)
    at = skip(text, at)
    local char = byte(text, at)
    if char == 93 then return items, at + 1 end
    if char ~= 44 then broken("no , or ]", at) end
    at = skip(text, at + 1)
  end
end

local function object_at(text, at, depth)
  local members, key = {}, nil
  at = skip(text, at + 1)
  if byte(text, at) == 125 then return members, at + 1 end
  while true do
    if byte(text, at) ~= 34 then broken("no name of a member", at) end
    key, at = string_at(text, at)
    at = skip(text, at)
    if byte(text, at) ~= 58 then broken("no :", at) end
    members[key], at = value(text, skip(text, at + 1), depth)
    at = skip(text, at)
    local char = byte(text, at)
    if char == 125 then return members, at + 1 end
    if char ~= 44 then broken("no , or }", at) end
    at = skip(text, at + 1)
  end
end

function value(text, at, depth)
  local char = sub(text, at, at)
  if depth > DEPTH then broken("more than " .. DEPTH .. " levels", at) end
  if char == '"' then return string_at(text, at) end
  if char == "{" then return object_at(text, at, depth + 1) end
  if char == "[" then return array_at(text, at, depth + 1) end
  local word = WORDS[char]
  if not word then return number_at(text, at) end
  if sub(text, at, at + #word[1] - 1) ~= word[1] then broken("no value", at) end
  return word[2], at + #word[1]
end

function json.decode(text)
  local result, at = value(text, skip(text, 1), 0)
  at = skip(text, at)
  if at <= #text then broken("more than one value", at) end
  return result
end

local function quoted(text)
  local _, at = utf8.len(text)
  if at then broken("a text that is not UTF-8", at) end
  return '"' .. text:gsub('[%c"\\]', function(char) return ESCAPED[char] or format("\\u%04x", byte(char)) end) .. '"'
end

local function numeral(number)
  if math.type(number) == "integer" then return format("%d", number) end
  if number ~= number or number == math.huge or number == -math.huge then error("JSON has no " .. number, 0) end
  local text = format("%.15g", number)
  if tonumber(text) ~= number then text = format("%.17g", number) end
  return find(text, "[.e]") and text or text .. ".0"
end

local function is_array(items)
  if getmetatable(items) == array then return true end
  local n = 0
  for _ in pairs(items) do n = n + 1 end
  return n > 0 and n == #items
end

local function write(item, out, depth)
  local kind = type(item)
  if kind == "string" then out[#out + 1] = quoted(item)
  elseif kind == "number" then out[#out + 1] = numeral(item)
  elseif kind == "boolean" then out[#out + 1] = tostring(item)
  elseif item == nil or item == json.null then out[#out + 1] = "null"
  elseif kind ~= "table" then error("JSON has no " .. kind, 0)
  elseif depth > DEPTH then error("more than " .. DEPTH .. " levels, or a table inside itself", 0)
  elseif is_array(item) then
    for n = 1, #item do
      out[#out + 1] = n == 1 and "[" or ","
      write(item[n], out, depth + 1)
    end
    out[#out + 1] = #item == 0 and "[]" or "]"
  else
    local separator = "{"
    for key, member in pairs(item) do
      if type(key) ~= "string" then error("the key " .. tostring(key) .. " beside others: JSON's are texts", 0) end
      out[#out + 1] = separator .. quoted(key) .. ":"
      write(member, out, depth + 1)
      separator = ","
    end
    out[#out + 1] = separator == "{" and "{}" or "}"
  end
end

function json.encode(item)
  local out = {}
  write(item, out, 0)
  return table.concat(out)
end

return json
