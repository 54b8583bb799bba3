"""Writes the dashboards, by Grafana's own schema: python dashboards.py FOLDER

A test says when what stands in dashboards/ is not what this writes, and asks a real Prometheus each question in it."""

import pathlib
import sys

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH, HEIGHT = 8, 7


class Page:
    """One dashboard; its panels follow each other, three a line."""

    def __init__(self, uid, title, description, job=None):
        self.builder = (
            dashboard.Dashboard(title)
            .uid(uid)
            .description(description)
            .tags(["hallpass"])
            .refresh("30s")
            .time("now-1h", "now")
            .timezone("browser")
            .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        )
        if job:
            variable = dashboard.QueryVariable("job").label("Service").query(f"label_values({job}, job)").datasource(SOURCE)
            variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).include_all(True).all_value(".+").multi(True)
            self.builder.with_variable(variable)

    def row(self, title):
        self.builder.with_row(dashboard.Row(title))
        return self

    def number(self, title, query, unit="short", red=None, green=None, description=""):
        """A number, which is red from `red` on, or below `green`."""
        steps = [model.Threshold(color="green" if green is None else "red", value=None)]
        if red is not None:
            steps.append(model.Threshold(color="red", value=red))
        if green is not None:
            steps.append(model.Threshold(color="green", value=green))
        thresholds = dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)
        panel = stat.Panel().title(title).description(description).datasource(SOURCE).unit(unit).thresholds(thresholds)
        panel.graph_mode(common_model.BigValueGraphMode.NONE).height(4).span(6).with_target(target(query, "").ref_id("A"))
        self.builder.with_panel(panel)
        return self

    def lines(self, title, *queries, unit="short", stacked=False, most=None, description=""):
        """Lines: each query with how its series are called."""
        panel = timeseries.Panel().title(title).description(description).datasource(SOURCE).unit(unit).min(0)
        if most is not None:
            panel.max(most)
        panel.height(HEIGHT).span(WIDTH).fill_opacity(10).line_width(1).show_points(common_model.VisibilityMode.NEVER)
        legend = common.VizLegendOptions().show_legend(True).display_mode(common_model.LegendDisplayMode.LIST)
        panel.legend(legend.placement(common_model.LegendPlacement.BOTTOM))
        panel.tooltip(common.VizTooltipOptions().mode(common_model.TooltipDisplayMode.MULTI))
        if stacked:
            panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL))
        for letter, (query, legend) in zip("ABC", queries, strict=False):
            panel.with_target(target(query, legend).ref_id(letter))
        self.builder.with_panel(panel)
        return self

    def write(self, folder, name):
        text = JSONEncoder(sort_keys=True, indent=2).encode(self.builder.build())
        (folder / f"{name}.json").write_text(text + "\n")


def target(query, legend):
    return prometheus.Dataquery().expr(" ".join(query.split())).legend_format(legend).datasource(SOURCE)


def quantile(share, metric, by="", where=""):
    labels = ", ".join(["le", *([by] if by else [])])
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{where}[$__rate_interval])))"


def rate(metric, by, where=""):
    return f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))"


def estate():
    page = Page("hallpass-estate", "Hallpass: estate", "All of it at a glance: what is there, what is decided, what is wrong.")
    page.number("Targets up", 'sum(up{role=~"issuer|gateway|sidecar|authz|service"})')
    page.number("Targets down", 'count(up{role=~"issuer|gateway|sidecar|authz|service"} == 0) or vector(0)', red=1)
    page.number("Alerts", 'count(ALERTS{alertname=~"Hallpass.+", alertstate="firing", severity!="info"}) or vector(0)', red=1)
    page.number("Services that let everybody in", "sum(hallpass_dev_bypass_enabled)", red=1)
    page.row("Decisions")
    page.lines("Calls by decision", ("sum by (result) (job:hallpass_verify:rate5m)", "{{result}}"), unit="reqps", stacked=True)
    page.lines("Denied, by reason", ('sum by (job, reason) (job:hallpass_verify:rate5m{result="deny"})', "{{job}} {{reason}}"), unit="reqps")
    page.lines("Would be denied", ("sum by (job, caller) (rate(hallpass_would_deny_total[$__rate_interval]))", "{{job}} {{caller}}"), unit="reqps")
    page.row("Tokens")
    page.lines("Hit rate of the token cache", ("job:hallpass_token_cache_hits:ratio_rate5m", "{{job}}"), unit="percentunit", most=1)
    page.lines("Token requests that fail", ("job:hallpass_token_request_failures:ratio_rate5m", "{{job}}"), unit="percentunit", most=1)
    page.lines("Tokens issued", ("job:hallpass_tokens_issued:rate5m", "{{job}}"), unit="reqps")
    page.lines("Verifying a token, p99", ("job:hallpass_verify_duration_seconds:p99_rate5m", "{{job}}"), unit="s")
    page.lines("Issuing a token, p99", ("job:hallpass_token_endpoint_duration_seconds:p99_rate5m", "{{job}}"), unit="s")
    page.lines("Gateway: errors", ("job:hallpass_gateway_errors:ratio_rate5m", "{{job}}"), unit="percentunit", most=1)
    page.row("What it rests on")
    page.lines(
        "Reached: Redis, Nacos, store",
        ("min by (job) (hallpass_redis_connected)", "{{job}} Redis"),
        ("min by (job) (hallpass_nacos_connected)", "{{job}} Nacos"),
        ("min by (job) (hallpass_store_writable)", "{{job}} store"),
        most=1,
    )
    page.lines("Certificates: time left", ("min by (job, used_for) (hallpass_tls_certificate_expiry_timestamp_seconds) - time()", "{{job}} {{used_for}}"), unit="s")
    page.lines("Audit events lost", ("sum by (job) (increase(hallpass_audit_dropped_total[$__rate_interval]))", "{{job}}"))
    return page


def issuer():
    where = '{job=~"$job"}'
    page = Page("hallpass-issuer", "Hallpass: issuer", "Tokens, keys, clients and store of issuers.", job="hallpass_issuer_clients")
    page.number("Clients", f"max(hallpass_issuer_clients{where})")
    page.number("Age of the signing key", f'time() - max(hallpass_signing_key_created_timestamp_seconds{{job=~"$job", state="signing"}})', unit="s", red=100 * 86400)
    page.number("Verifiers without a key", f"max(hallpass_signing_key_verifiers_missing{where})", red=1)
    page.number("Store: readable, writable, in place", f"min(hallpass_store_readable{where} * hallpass_store_writable{where} * hallpass_store_in_place{where})", green=1)
    page.row("Tokens")
    page.lines("Issued, by client", (rate("hallpass_tokens_issued_total", "client", where), "{{client}}"), unit="reqps", stacked=True)
    page.lines("Issued, by grant", (rate("hallpass_tokens_issued_total", "grant", where), "{{grant}}"), unit="reqps")
    page.lines("Refused, by reason", (rate("hallpass_token_requests_refused_total", "reason", where), "{{reason}}"), unit="reqps")
    page.lines(
        "Time of a request",
        (quantile(0.5, "hallpass_token_endpoint_duration_seconds", where=where), "p50"),
        (quantile(0.99, "hallpass_token_endpoint_duration_seconds", where=where), "p99"),
        unit="s",
    )
    page.lines("Refresh tokens", (rate("hallpass_refresh_tokens_total", "result", where), "{{result}}"), unit="reqps")
    page.lines("Lockouts", (f"sum by (job) (hallpass_lockouts_remembered{where})", "{{job}}"))
    page.row("Keys and revocations")
    page.lines("Key set, by response", (rate("hallpass_jwks_requests_total", "result", where), "{{result}}"), unit="reqps")
    page.lines("Keys, by state", (f"count by (state) (hallpass_signing_key_created_timestamp_seconds{where})", "{{state}}"))
    page.lines(
        "Revocations",
        (f"max by (job) (hallpass_revocations{where})", "{{job}} entries"),
        (f"sum by (job) (hallpass_revocation_streams{where})", "{{job}} streams"),
    )
    page.row("Process")
    page.lines("Connections", (f"sum by (job) (hallpass_issuer_connections{where})", "{{job}}"))
    page.lines("Statements to the store", (f"sum by (job) (rate(hallpass_store_queries_total{where}[$__rate_interval]))", "{{job}}"), unit="reqps")
    page.lines("Audit events lost", (f"sum by (job) (increase(hallpass_audit_dropped_total{where}[$__rate_interval]))", "{{job}}"))
    return page


def service():
    where = '{job=~"$job"}'
    page = Page("hallpass-service", "Hallpass: a service", "Who calls it, whom it calls, and with which tokens.", job="hallpass_dev_bypass_enabled")
    page.row("Who calls")
    page.lines("Decisions", (rate("hallpass_verify_total", "result", where), "{{result}}"), unit="reqps", stacked=True)
    page.lines("Denied, by route and reason", (rate("hallpass_verify_total", "route, reason", '{job=~"$job", result="deny"}'), "{{route}} {{reason}}"), unit="reqps")
    page.lines("Would be denied, by caller", (rate("hallpass_would_deny_total", "route, reason, caller", where), "{{caller}} {{route}} {{reason}}"), unit="reqps")
    page.lines("Time of a verification, p99", (quantile(0.99, "hallpass_verify_duration_seconds", "cache", where), "{{cache}}"), unit="s")
    page.lines(
        "Tokens that need no signature check",
        (f"sum by (job) (rate(hallpass_verified_token_cache_hits_total{where}[$__rate_interval])) / sum by (job) (rate(hallpass_verified_token_cache_requests_total{where}[$__rate_interval]))", "{{job}}"),
        unit="percentunit",
        most=1,
    )
    page.lines("Enforced for", (f'min by (job, route) (hallpass_rollout_ratio{where})', "{{job}} {{route}}"), unit="percentunit", most=1)
    page.row("Keys and revocations")
    page.lines("Fetches of keys", (rate("hallpass_jwks_fetch_total", "issuer, result", where), "{{issuer}} {{result}}"), unit="reqps")
    page.lines("Age of the keys", (f"time() - min by (job, issuer) (hallpass_jwks_last_success_timestamp_seconds{where})", "{{job}} {{issuer}}"), unit="s")
    page.lines("Age of the deny-list", (f"time() - min by (job, issuer) (hallpass_revocations_last_success_timestamp_seconds{where} > 0)", "{{job}} {{issuer}}"), unit="s")
    page.row("Its own tokens")
    page.lines("Hit rate, by tier", (f"sum by (tier) (rate(hallpass_token_cache_hits_total{where}[$__rate_interval])) / sum by (tier) (rate(hallpass_token_cache_requests_total{where}[$__rate_interval]))", "{{tier}}"), unit="percentunit", most=1)
    page.lines("Requests to the issuer", (rate("hallpass_token_request_total", "audience, result", where), "{{audience}} {{result}}"), unit="reqps")
    page.lines("Time left of the newest token", (f"min by (job, audience) (hallpass_token_expiry_timestamp_seconds{where}) - time()", "{{job}} {{audience}}"), unit="s")
    page.lines("Exchanged tokens", (rate("hallpass_exchange_total", "result", where), "{{result}}"), unit="reqps")
    page.lines("Redis, by result", (rate("hallpass_redis_calls_total", "command, result", where), "{{command}} {{result}}"), unit="reqps")
    page.lines("Reloads of the configuration", (f"sum by (job, result) (hallpass_config_reloads_total{where})", "{{job}} {{result}}"))
    page.row("Whom it calls")
    page.lines("Calls, by outcome", (rate("hallpass_feign_calls_total", "client, outcome", where), "{{client}} {{outcome}}"), unit="reqps")
    page.lines("Time of a call, p99", (quantile(0.99, "hallpass_feign_call_duration_seconds", "client", where), "{{client}}"), unit="s")
    page.lines(
        "Retries and fallbacks",
        (rate("hallpass_feign_retries_total", "client", where), "{{client}} retries"),
        (rate("hallpass_feign_fallbacks_total", "client", where), "{{client}} fallbacks"),
        unit="reqps",
    )
    page.lines("Circuit breakers: 2 is open", (f"max by (client, exported_instance) (hallpass_feign_breaker_state{where})", "{{client}} {{exported_instance}}"), most=2)
    page.lines("Connections", (f"sum by (job) (hallpass_service_connections{where})", "{{job}}"))
    page.lines("Identity headers of strangers", (rate("hallpass_header_stripped_total", "header", where), "{{header}}"), unit="reqps")
    return page


def gateway():
    where = '{job=~"$job"}'
    page = Page("hallpass-gateway", "Hallpass: gateway", "What comes in, what goes on, and what refuses.", job="hallpass_gateway_connections")
    page.lines("Requests, by status", (rate("hallpass_gateway_requests_total", "status", where), "{{status}}"), unit="reqps", stacked=True)
    page.lines(
        "Time to the head of a response",
        (quantile(0.5, "hallpass_gateway_request_duration_seconds", "route", where), "{{route}} p50"),
        (quantile(0.99, "hallpass_gateway_request_duration_seconds", "route", where), "{{route}} p99"),
        unit="s",
    )
    page.lines("Of it the service behind, p99", (quantile(0.99, "hallpass_gateway_upstream_duration_seconds", "service", where), "{{service}}"), unit="s")
    page.row("What refuses")
    page.lines("Refused, by what", (rate("hallpass_gateway_refused_total", "by", where), "{{by}}"), unit="reqps")
    page.lines("Decisions, by reason", (rate("hallpass_verify_total", "result, reason", where), "{{result}} {{reason}}"), unit="reqps")
    page.lines("Beyond a quota", (rate("hallpass_gateway_rate_refused_total", "rate", where), "{{rate}}"), unit="reqps")
    page.row("To the services behind")
    page.lines("Tokens for them", (rate("hallpass_gateway_upstream_tokens_total", "identity, result", where), "{{identity}} {{result}}"), unit="reqps")
    page.lines("Retries", (rate("hallpass_gateway_retries_total", "service", where), "{{service}}"), unit="reqps")
    page.lines("Circuit breakers: 2 is open", (f"max by (service, exported_instance) (hallpass_gateway_breaker_state{where})", "{{service}} {{exported_instance}}"), most=2)
    page.row("Process")
    page.lines(
        "Connections",
        (f"sum by (job) (hallpass_gateway_connections{where})", "{{job}}"),
        (f"sum by (job) (hallpass_gateway_open_tunnels{where})", "{{job}} WebSockets"),
    )
    page.lines("Bodies", (rate("hallpass_gateway_body_bytes_total", "direction", where), "{{direction}}"), unit="Bps")
    page.lines("Identity headers that callers sent", (rate("hallpass_gateway_headers_stripped_total", "header", where), "{{header}}"), unit="reqps")
    return page


if __name__ == "__main__":
    into = pathlib.Path(sys.argv[1])
    for name, page in [("estate", estate()), ("issuer", issuer()), ("service", service()), ("gateway", gateway())]:
        page.write(into, name)
