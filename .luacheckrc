-- What `make lua` checks the modules under headgate/nginx/lua against.
std = "ngx_lua"
-- The table in which init.lua keeps what the blocks of nginx's configuration call.
globals = { "headgate" }
max_line_length = 120
