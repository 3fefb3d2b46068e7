-- Reads JSON (RFC 8259) strictly: an object that has a member twice is refused, as readers would not agree on its
-- value, and so is all that cjson accepts beside the standard.
local find, sub, byte, char = string.find, string.sub, string.byte, string.char
local tonumber, setmetatable = tonumber, setmetatable
local gsub, floor = string.gsub, math.floor

local DEEPEST = 32
local ESCAPES = { ["b"] = "\b", ["f"] = "\f", ["n"] = "\n", ["r"] = "\r", ["t"] = "\t", ['"'] = '"', ["\\"] = "\\",
  ["/"] = "/" }

local M = { null = setmetatable({}, { __tostring = function() return "null" end }) }
local Array = {}

-- Return whether *value* is an array.
function M.is_array(value)
  return getmetatable(value) == Array
end

local value_at

local function skip(text, at)
  return find(text, "[^ \t\r\n]", at) or #text + 1
end

local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  local second, third = floor(code / 4096) % 64, floor(code / 64) % 64
  return char(0xF0 + floor(code / 262144), 0x80 + second, 0x80 + third, 0x80 + code % 64)
end

local function unit_at(text, at)
  local digits = find(text, "^\\u%x%x%x%x", at) and sub(text, at + 2, at + 5)
  return digits and tonumber(digits, 16)
end

-- Return the text of the escape at *at*, and what follows it.
local function escape_at(text, at)
  local short = ESCAPES[sub(text, at + 1, at + 1)]
  if short then
    return short, at + 2
  end
  local code = unit_at(text, at)
  if not code or code >= 0xDC00 and code < 0xE000 then
    return nil
  elseif code < 0xD800 or code > 0xDFFF then
    return utf8(code), at + 6
  end
  local low = unit_at(text, at + 6)
  if not low or low < 0xDC00 or low > 0xDFFF then
    return nil
  end
  return utf8(0x10000 + (code - 0xD800) * 1024 + low - 0xDC00), at + 12
end

-- Return the string that begins with the quote at *at*, and what follows it.
local function string_at(text, at)
  local first, found = at + 1, nil
  while true do
    local stop = find(text, '[%z\1-\31"\\]', first)
    if not stop then
      return nil
    end
    local piece, what = sub(text, first, stop - 1), byte(text, stop)
    found = found and found .. piece or piece
    if what == 34 then
      return found, stop + 1
    elseif what ~= 92 then
      return nil
    end
    piece, first = escape_at(text, stop)
    if not piece then
      return nil
    end
    found = found .. piece
  end
end

local function number_at(text, at)
  local _, stop = find(text, "^-?%d+", at)
  if not stop or find(text, "^-?0%d", at) then
    return nil
  end
  local _, further = find(text, "^%.%d+", stop + 1)
  stop = further or stop
  _, further = find(text, "^[eE][+-]?%d+", stop + 1)
  stop = further or stop
  return tonumber(sub(text, at, stop)), stop + 1
end

local function array_at(text, at, depth)
  local found, count = setmetatable({}, Array), 0
  at = skip(text, at + 1)
  if byte(text, at) == 93 then
    return found, at + 1
  end
  while true do
    local value
    value, at = value_at(text, at, depth)
    if value == nil then
      return nil
    end
    count = count + 1
    found[count] = value
    at = skip(text, at)
    local what = byte(text, at)
    if what == 93 then
      return found, at + 1
    elseif what ~= 44 then
      return nil
    end
    at = skip(text, at + 1)
  end
end

local function object_at(text, at, depth)
  local found = {}
  at = skip(text, at + 1)
  if byte(text, at) == 125 then
    return found, at + 1
  end
  while true do
    local name, value
    if byte(text, at) ~= 34 then
      return nil
    end
    name, at = string_at(text, at)
    if not name or found[name] ~= nil then
      return nil
    end
    at = skip(text, at)
    if byte(text, at) ~= 58 then
      return nil
    end
    value, at = value_at(text, skip(text, at + 1), depth)
    if value == nil then
      return nil
    end
    found[name] = value
    at = skip(text, at)
    local what = byte(text, at)
    if what == 125 then
      return found, at + 1
    elseif what ~= 44 then
      return nil
    end
    at = skip(text, at + 1)
  end
end

function value_at(text, at, depth)
  local what = byte(text, at)
  if what == 34 then
    return string_at(text, at)
  elseif what == 123 or what == 91 then
    if depth >= DEEPEST then
      return nil
    end
    return (what == 123 and object_at or array_at)(text, at, depth + 1)
  elseif find(text, "^true", at) then
    return true, at + 4
  elseif find(text, "^false", at) then
    return false, at + 5
  elseif find(text, "^null", at) then
    return M.null, at + 4
  end
  return number_at(text, at)
end

-- Return the object that *text* is; nil if it is anything else. Its strings are UTF-8 if *text* is.
function M.object(text)
  local at = skip(text, 1)
  if byte(text, at) ~= 123 then
    return nil
  end
  local found, stop = object_at(text, at, 1)
  return found and skip(text, stop) > #text and found or nil
end

-- Return the text of a value that is no object, for headers and logs; empty for one, and for text that could end a
-- header. The members of an array are separated by commas.
function M.text(value)
  local kind = type(value)
  if kind == "string" then
    return find(value, "[%z\1-\31\127]") and "" or value
  elseif kind == "number" then
    return value == floor(value) and value > -1e15 and value < 1e15 and ("%d"):format(value) or ("%.14g"):format(value)
  elseif kind == "boolean" then
    return tostring(value)
  elseif not M.is_array(value) then
    return ""
  end
  local texts = {}
  for i = 1, #value do
    texts[i] = M.text(value[i])
  end
  return (gsub(table.concat(texts, ","), "^,+$", ""))
end

return M
