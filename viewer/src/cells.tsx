// Numbers in cells: short for the eye, exact in the title.

import { useView } from "./context";
import type { Metric, Scope } from "./scope";
import { count, size } from "./units";

/** An amount of bytes, or of allocations. */
export function amount(value: number, metric: Metric): string {
  return metric === "allocations" ? count(value) : size(value);
}

export function exact(value: number, metric: Metric): string {
  return count(value) + (metric === "allocations" ? " allocations" : " bytes");
}

export function Value(p: { value: number; metric: Metric; blank?: boolean }) {
  if (p.blank && !p.value) return null;
  return (
    <span class="value" title={exact(p.value, p.metric)} data-value={p.value}>
      {amount(p.value, p.metric)}
    </span>
  );
}

export function Bytes(p: { value: number }) {
  return <Value value={p.value} metric="leaked" />;
}

/** A value over a bar of its share. */
export function Bar(p: { value: number; of: number; metric: Metric; kind?: string }) {
  const share = p.of > 0 ? Math.min(1, Math.abs(p.value) / p.of) : 0;
  return (
    <span class={"bar " + (p.kind ?? p.metric)}>
      <span class="fill" style={{ width: (share * 100).toFixed(2) + "%" }} />
      <Value value={p.value} metric={p.metric} blank />
    </span>
  );
}

export const METRIC_WORDS: Record<Metric, string> = {
  peak: "At the peak",
  leaked: "Never freed",
  allocated: "Allocated",
  temporary: "Temporary",
  allocations: "Allocations",
};

/** What a metric is called where the peak may have given way to another moment. */
export function metricWord(scope: Scope, metric: Metric): string {
  return metric === "peak" && (scope.slice || scope.model.about.moment)
    ? "Live then"
    : METRIC_WORDS[metric];
}

export const METRIC_PHRASES: Record<Metric, string> = {
  peak: "bytes at the peak",
  leaked: "bytes never freed",
  allocated: "bytes allocated",
  temporary: "bytes of temporary blocks",
  allocations: "allocations",
};

/** "bytes live at the process's peak": the metric, with its moment. */
export function useMetricPhrase(): string {
  const { model, scope, state } = useView();
  if (state.metric === "peak") return "bytes live at " + scope.moment;
  if (scope.slice)
    switch (state.metric) {
      case "leaked":
        return "bytes allocated in that time and never freed, runtime blocks apart";
      case "allocated":
        return "bytes allocated " + scope.over;
      case "temporary":
        return "bytes of temporary blocks " + scope.over;
      default:
        return "allocations " + scope.over;
    }
  return model.about.phrases[state.metric];
}
