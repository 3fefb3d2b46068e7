-- Changes the path of a request on its way to a backend, as nginx does where `proxy_pass` has a path, and by `rewrite`:
-- what the backend is sent is the same byte for byte.
local text_of = require "headgate.texts"

local find, gsub, match, sub = string.find, string.gsub, string.match, string.sub
local format, byte = string.format, string.byte
local re_match, request, variables = ngx.re.match, ngx.req, ngx.var

local IN_PATH = "[%z\1-\32\"#%%<>?\\^`{|}\127-\255]" -- what nginx encodes (ngx_escape_uri, NGX_ESCAPE_URI)
local IN_ARGUMENTS = "[%z\1-\32\"#%%&+;<>?\\^`{|}\127-\255]" -- NGX_ESCAPE_ARGS

local M = {}

local function encoded(character)
  return format("%%%02X", byte(character))
end

-- Return the path of the request as the client wrote it.
local function raw_path()
  return match(variables.request_uri or "", "^[^?#]*")
end

local function with_arguments(path)
  local arguments = variables.args
  return arguments and arguments ~= "" and path .. "?" .. arguments or path
end

-- Return a function that has the backend asked for *new* in place of the first *length* bytes of the path.
function M.replace(new, length)
  return function()
    local rest = sub(variables.uri, length + 1)
    -- nginx encodes a path only where it decoded it.
    if request.is_internal() or find(raw_path(), "%", 1, true) then
      rest = gsub(rest, IN_PATH, encoded)
    end
    variables.headgate_uri = with_arguments(new .. rest)
    return true
  end
end

-- Return the arguments that *args* give; captures are encoded where the client's path was.
local function new_arguments(args, captures, adds)
  local written = find(raw_path(), "[%%+]")
  local text = args(captures, written and function(value) return (gsub(value, IN_ARGUMENTS, encoded)) end)
  local present = adds and variables.args
  return present and present ~= "" and text .. "&" .. present or text
end

-- Have nginx take *path* for that of the request.
function M.set(path)
  request.set_uri(path, false, true)
end

-- Return a function for `rewrite pattern uri?args break`; it returns false where nginx would answer 500, and "again"
-- where it would look for a location again.
function M.rewrite(value)
  local pattern, adds, restored = value[1], value[4], value[5]
  local uri, args = text_of(value[2]), type(value[3]) == "table" and text_of(value[3])
  return function()
    local present = variables.uri
    if restored then
      present = match(variables.request_uri or "", "^[^?]+")
      if not present then
        return false
      end
    end
    local captures, fault = re_match(present, pattern, "o")
    if fault then
      return false
    elseif not captures then
      if restored then
        M.set(present)
      end
      return restored and "again" or true
    end
    local path = uri(captures)
    if path == "" then
      return false
    end
    if args then
      request.set_uri_args(new_arguments(args, captures, adds))
    elseif not adds then
      request.set_uri_args("")
    end
    M.set(path)
    return true
  end
end

return M
