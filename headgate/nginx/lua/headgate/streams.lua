-- Tells njs ("streams.js") over its Unix socket which servers of TCP get no sessions.
local cjson = require "cjson.safe"

local find = string.find

local PATIENCE_MS = 1000

local M = {}
local path

-- The socket is at *where*, nil if servers of TCP are in files.
function M.open(where)
  path = where
end

-- Tell the servers of each upstream in *news* (name -> "ADDRESS:PORT ADDRESS:PORT"); return whether njs took them.
function M.tell(news)
  if not path then
    return true
  end
  local body = cjson.encode(news)
  local socket = ngx.socket.tcp()
  socket:settimeout(PATIENCE_MS)
  local ok, fault = socket:connect("unix:" .. path)
  if ok then
    ok, fault = socket:send("POST /v1/health HTTP/1.0\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body)
  end
  local line
  if ok then
    line, fault = socket:receive("*l")
  end
  socket:close()
  if line and find(line, "^HTTP/1.0 200 ") then
    return true
  end
  ngx.log(ngx.ERR, "njs is not told the state of servers of TCP: ", line or fault)
  return false
end

return M
