/**
 * Loads Pulumi's SDK faster. Node reads this before the program (`nodeargs` in Pulumi.yaml) and before
 * the host for dynamic providers (dev/toolchain/pulumi-resource-pulumi-nodejs), which both wait for the SDK.
 */
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { fileURLToPath } = require("node:url");

// Not in /tmp, where another user could leave code for this one to run.
const CACHE = path.join(__dirname, "..", "node_modules", ".cache", "compiled");

Module.enableCompileCache?.(CACHE);
Module.registerHooks?.({
    load(url, context, next) {
        if (context.format !== "module-typescript") return next(url, context);
        const source = withoutTypes(readFileSync(fileURLToPath(url), "utf8"));
        return { format: "module", source, shortCircuit: true };
    },
});

/** Removes the types from a module as Node does, once for the same source. */
function withoutTypes(source) {
    const name = createHash("sha256").update(process.version).update(source).digest("hex");
    const file = path.join(CACHE, "typescript", `${name}.js`);
    try {
        return readFileSync(file, "utf8");
    } catch {
        const stripped = silently(() => Module.stripTypeScriptTypes(source));
        try {
            mkdirSync(path.dirname(file), { recursive: true });
            const partial = `${file}.${process.pid}`;
            writeFileSync(partial, stripped);
            renameSync(partial, file);
        } catch {
            // It only saves time.
        }
        return stripped;
    }
}

/** Without Node's warning that this is new, which would be shown as the program's. */
function silently(work) {
    const { emitWarning } = process;
    process.emitWarning = () => undefined;
    try {
        return work();
    } finally {
        process.emitWarning = emitWarning;
    }
}

/** Packages that the SDK loads at once and uses late, if at all: to serialise programs and to trace. */
const LATE = new Set([
    "typescript",
    "@npmcli/arborist",
    "@opentelemetry/exporter-zipkin",
    "@opentelemetry/instrumentation",
    "@opentelemetry/instrumentation-grpc",
    "@opentelemetry/resources",
    "@opentelemetry/sdk-trace-base",
    "@opentelemetry/sdk-trace-node",
]);

/** Reads a source map for each file in each resource's stack trace. Node runs this code as it is written. */
const UNUSED = "source-map-support/register";

const load = Module._load;

Module._load = function (request, parent, isMain) {
    if (request === UNUSED) return {};
    if (!LATE.has(request)) return load.call(this, request, parent, isMain);
    let loaded;
    const real = () => (loaded ??= load.call(Module, request, parent, isMain));
    // A function, so that a module which is a class can be called with `new`.
    return new Proxy(function () {}, {
        // Asked by compiled imports; all are plain CommonJS.
        get: (_target, key) => (key === "__esModule" ? undefined : real()[key]),
        has: (_target, key) => key in real(),
        apply: (_target, self, args) => Reflect.apply(real(), self, args),
        construct: (_target, args) => Reflect.construct(real(), args),
    });
};
