-- Opens what the controller sealed: AES-256-GCM (NIST SP 800-38D), by the OpenSSL that nginx has loaded. Workers only
-- open; nothing is sealed here.
local ffi = require "ffi"

local C, new, gc, text_of, cast = ffi.C, ffi.new, ffi.gc, ffi.string, ffi.cast
local max = math.max

local NONCE, TAG = 12, 16 -- bytes before and after what was encrypted
local SET_TAG = 0x11 -- EVP_CTRL_AEAD_SET_TAG
local SIZE = 16384

ffi.cdef [[
  const void *headgate_seal_cipher(void) __asm__("EVP_aes_256_gcm");
  void *headgate_seal_new(void) __asm__("EVP_CIPHER_CTX_new");
  void headgate_seal_free(void *ctx) __asm__("EVP_CIPHER_CTX_free");
  int headgate_seal_init(void *ctx, const void *cipher, void *engine, const char *key, const char *nonce)
    __asm__("EVP_DecryptInit_ex");
  int headgate_seal_update(void *ctx, char *out, int *size, const char *text, int length) __asm__("EVP_DecryptUpdate");
  int headgate_seal_final(void *ctx, char *out, int *size) __asm__("EVP_DecryptFinal_ex");
  int headgate_seal_ctrl(void *ctx, int command, int number, void *pointer) __asm__("EVP_CIPHER_CTX_ctrl");
  void headgate_seal_errors_clear(void) __asm__("ERR_clear_error");
]]

local buffer, room = new("char[?]", SIZE), SIZE
local size = new("int[1]")

local M = { KEY = 32 }

-- Return what opens texts that were sealed with *key* (32 bytes); nil if OpenSSL does not take it.
function M.opener(key)
  local context = C.headgate_seal_new()
  if context == nil then
    return nil
  end
  context = gc(context, C.headgate_seal_free)
  if #key ~= M.KEY or C.headgate_seal_init(context, C.headgate_seal_cipher(), nil, key, nil) ~= 1 then
    C.headgate_seal_errors_clear()
    return nil
  end
  return context
end

-- Return what *sealed* (nonce, ciphertext, tag) holds; nil unless it was sealed with the key of *opener* for *purpose*,
-- a text that is not in it (additional authenticated data).
function M.open(opener, sealed, purpose)
  local length = #sealed - NONCE - TAG
  if length < 0 then
    return nil
  end
  if length > room then
    room = max(length, 2 * room)
    buffer = new("char[?]", room)
  end
  local start = cast("const char *", sealed)
  local ok = C.headgate_seal_init(opener, nil, nil, nil, start) == 1
    and C.headgate_seal_update(opener, nil, size, purpose, #purpose) == 1
    and C.headgate_seal_update(opener, buffer, size, start + NONCE, length) == 1
    and C.headgate_seal_ctrl(opener, SET_TAG, TAG, cast("void *", start + NONCE + length)) == 1
    and C.headgate_seal_final(opener, buffer + length, size) == 1
  if not ok then
    C.headgate_seal_errors_clear() -- nginx would log them with the next failure of TLS
    return nil
  end
  return text_of(buffer, length)
end

return M
