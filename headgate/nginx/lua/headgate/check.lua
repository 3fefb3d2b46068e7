-- The health checks of an upstream, in the form that `probe.lua` uses: decoded once, not for each check.
--
-- The controller validated all of it. Texts are looked at again, because here they become the request.
local grpc = require "headgate.grpc"

local char, find, concat, gsub, lower = string.char, string.find, table.concat, string.gsub, string.lower

local LONGEST_S = 60 -- of a timeout: a server that does not answer holds a place among the checks that run
local SHORTEST_S = 0.1 -- of an interval: how often `checker.lua` looks
local LONGEST_NAME = 1000 -- of a gRPC service
local NAME, VALUE = "^[%w-]+$", "^[^%z\1-\8\10-\31\127]*$" -- of a header

local M = {}

local function is(value, pattern)
  return type(value) == "string" and find(value, pattern) ~= nil
end

local function is_number(value, least)
  return type(value) == "number" and value >= least
end

local function http_request(path, headers)
  local lines = { "GET " .. path .. " HTTP/1.1" }
  for _, header in ipairs(headers) do
    lines[#lines + 1] = header[1] .. ": " .. header[2]
  end
  return concat(lines, "\r\n") .. "\r\n\r\n"
end

-- Return what is sent; nil and the name of what is wrong if a text would leave its place.
local function request_of(value)
  local authority = ""
  for _, header in ipairs(value.headers) do
    if type(header) ~= "table" or not is(header[1], NAME) or not is(header[2], VALUE) then
      return nil, "headers"
    end
    authority = lower(header[1]) == "host" and header[2] or authority
  end
  if type(value.grpc) == "string" then
    if not is(value.grpc, "^[^%s%c]*$") or #value.grpc > LONGEST_NAME then
      return nil, "grpc"
    end
    return grpc.request(value.grpc, authority, value.headers, value.tls == true)
  elseif not is(value.path, "^/[^%s%c]*$") then
    return nil, "path"
  end
  return http_request(value.path, value.headers)
end

local function accepts(ranges, negated)
  return function(status)
    for _, range in ipairs(ranges) do
      if range[1] <= status and status <= range[2] then
        return not negated
      end
    end
    return negated
  end
end

local function from_hex(text)
  return (gsub(text, "%x%x", function(digits) return char(tonumber(digits, 16)) end))
end

-- Return a function that tells whether the data of a server are as *value*, a check of TCP, wants them; nil if any are.
local function expectation(value)
  if value.regex then
    local options = value.ignore_case and "ijo" or "jo"
    return function(data) return ngx.re.find(data, value.regex, options) ~= nil end
  end
  local text = from_hex(value.expect or "")
  return text ~= "" and function(data) return find(data, text, 1, true) ~= nil end or nil
end

-- Return the check of *value*; nil and the name of what is wrong.
function M.decode(value)
  for name, least in pairs { interval = 0, jitter = 0, fails = 1, passes = 1, connect = 0, send = 0, read = 0 } do
    if not is_number(value[name], least) then
      return nil, name
    end
  end
  local tcp = type(value.tcp) == "table" and value.tcp
  local request, fault
  if tcp then
    request = from_hex(tcp.send or "")
  else
    request, fault = request_of(value)
  end
  if not request then
    return nil, fault
  end
  return {
    tcp = tcp and true, expects = tcp and expectation(tcp),
    request = request, port = type(value.port) == "number" and value.port or nil, tls = value.tls == true,
    interval = math.max(value.interval, SHORTEST_S), jitter = value.jitter,
    fails = value.fails, passes = value.passes, mandatory = value.mandatory == true,
    connect = math.min(value.connect, LONGEST_S), send = math.min(value.send, LONGEST_S),
    read = math.min(value.read, LONGEST_S),
    grpc = type(value.grpc) == "string", grpc_status = tonumber(value.grpc_status) or 0,
    secure = type(value.secure) == "table" and value.secure or nil,
    accepts = accepts(value.status, value.negated == true),
  }
end

return M
