-- What forward-auth.lua calls of `apisix.core`, each doing what it does there.
return {
    request = {
        get_scheme = function(ctx) return ctx.var.scheme or "" end,
        get_method = function() return ngx.req.get_method() end,
        get_host = function(ctx) return ctx.var.host or "" end,
        get_remote_client_ip = function(ctx) return ctx.var.remote_addr or "" end,
        header = function(_, name)
            local value = ngx.req.get_headers()[name]
            return type(value) == "table" and value[1] or value
        end,
        set_header = function(_, name, value) ngx.req.set_header(name, value) end,
    },
    response = {
        set_header = function(headers)
            for name, value in pairs(headers) do ngx.header[name] = value end
        end,
    },
    utils = {
        resolve_var = function(text, vars)
            return (text:gsub("%$([%w_]+)", function(name) return vars[name] or "" end))
        end,
    },
    log = {
        error = function(...) ngx.log(ngx.ERR, ...) end,
        warn = function(...) ngx.log(ngx.WARN, ...) end,
    },
}
