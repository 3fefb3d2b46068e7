-- Chooses the certificate of a handshake by its server name. The controller pushes which file each name has: "c:NAME",
-- and "c:" for all other names, with a digest of its content. Keys stay in files; a worker reads a file once for each
-- digest.
local ffi = require "ffi"
local find_object = require "headgate.names"
local state = require "headgate.state"

local find, lower, sub, char, min = string.find, string.lower, string.sub, string.char, math.min
local get = state.get

-- A record with a fatal alert, before the keys of the connection are in use (RFC 8446, 5.1 and 6.2).
local ALERT, FATAL, UNRECOGNIZED_NAME, TLS_1_2 = 21, 2, 112, 0x0303

ffi.cdef [[
int SSL_version(const void *ssl);
void *SSL_get_wbio(const void *ssl);
int BIO_write(void *bio, const void *data, int length);
]]

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

local function tell_unknown()
  local connection = ssl.get_req_ssl_pointer()
  local bio = ffi.C.SSL_get_wbio(connection)
  if bio ~= nil then
    local version = min(ffi.C.SSL_version(connection), TLS_1_2)
    local record = char(ALERT, version / 256, version % 256, 0, 2, FATAL, UNRECOGNIZED_NAME)
    ffi.C.BIO_write(bio, record, #record)
  end
end

-- Refuse the handshake with the alert of ssl_reject_handshake: the one of OpenSSL that follows, internal_error, says
-- nothing to a client.
local function refuse()
  pcall(tell_unknown)
  return ngx.exit(ngx.ERROR)
end

-- Give the handshake its certificate, or refuse it. Called by nginx during each full handshake.
function M.certify()
  state.sync()
  local name = ssl.server_name()
  local certificate = name and find_object("c", (lower(name):gsub("%.$", ""))) or get("c", "")
  if not certificate then
    return refuse()
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
