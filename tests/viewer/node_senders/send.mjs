// Sends one trace with each of the three exporters of OpenTelemetry for Node.
//   node send.mjs http://127.0.0.1:4318 http://127.0.0.1:4317
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { OTLPTraceExporter as Grpc } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as Json } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as Proto } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

const [http, grpc] = process.argv.slice(2);
const exporters = {
  json: new Json({ url: `${http}/v1/traces`, compression: "gzip" }),
  proto: new Proto({ url: `${http}/v1/traces` }),
  grpc: new Grpc({ url: grpc, compression: "gzip" }),
};

for (const [name, exporter] of Object.entries(exporters)) {
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": `node-${name}` }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer("senders", "1.0");
  const root = tracer.startSpan(`GET /${name}`, { kind: SpanKind.SERVER });
  root.setAttributes({ text: "é", int: 7, double: 0.5, flag: true, list: ["a", "b"] });
  root.addEvent("cache miss", { key: "user:7" });
  root.recordException(new Error("it failed"));
  root.setStatus({ code: SpanStatusCode.ERROR, message: "it failed" });
  root.end();
  await provider.shutdown();
}
