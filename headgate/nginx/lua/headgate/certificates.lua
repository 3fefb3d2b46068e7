-- Chooses the certificate of a handshake by its server name. The controller pushes which file each name has: "c:NAME",
-- and "c:" for all other names, with a digest of its content. Keys stay in files; a worker reads a file once for each
-- digest.
local find_object = require "headgate.names"
local state = require "headgate.state"

local find, lower, sub = string.find, string.lower, string.sub
local get = state.get

local M = {}
local folder, ssl

-- Read files in the directory *path*. Nothing else of this module works before, and other hosts do not need it.
function M.open(path)
  folder, ssl = path, require "ngx.ssl"
end

state.decode("c", function(_, value)
  return { file = value.file }
end, function(value)
  return type(value.file) == "string" and type(value.digest) == "string" and not find(value.file, "..", 1, true)
    and sub(value.file, 1, 1) ~= "/"
end)

-- Read the file of *certificate*. What fails is tried again at the next handshake: the file may be written meanwhile.
local function load(certificate)
  local file, fault = io.open(folder .. "/" .. certificate.file, "rb")
  if not file then
    return fault
  end
  local text = file:read("*a")
  file:close()
  local chain, key
  chain, fault = ssl.parse_pem_cert(text)
  if not chain then
    return fault
  end
  key, fault = ssl.parse_pem_priv_key(text)
  if not key then
    return fault
  end
  certificate.chain, certificate.key = chain, key
end

-- Give the handshake its certificate, or refuse it. Called by nginx during each full handshake.
function M.certify()
  state.sync()
  local name = ssl.server_name()
  local certificate = name and find_object("c", (lower(name):gsub("%.$", ""))) or get("c", "")
  if not certificate then
    return ngx.exit(ngx.ERROR)
  end
  local fault = not certificate.chain and load(certificate)
  if not fault then
    ssl.clear_certs()
    local ok
    ok, fault = ssl.set_cert(certificate.chain)
    if ok then
      ok, fault = ssl.set_priv_key(certificate.key)
    end
    if ok then
      return
    end
  end
  ngx.log(ngx.ERR, "certificate ", certificate.file, ": ", fault)
  return ngx.exit(ngx.ERROR)
end

return M
