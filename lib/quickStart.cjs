/**
 * Loads Pulumi's SDK faster. Node reads this before the program (`nodeargs` in Pulumi.yaml) and before
 * the host for dynamic providers (dev/toolchain/pulumi-resource-pulumi-nodejs): both have to load the
 * SDK.
 */
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { fileURLToPath } = require("node:url");

// Not in /tmp, where another user could plant code for this user to run.
const CACHE = path.join(__dirname, "..", "node_modules", ".cache", "compiled");

Module.enableCompileCache?.(CACHE);
Module.registerHooks?.({
    load(url, context, next) {
        if (context.format !== "module-typescript") return next(url, context);
        const source = withoutTypes(readFileSync(fileURLToPath(url), "utf8"));
        return { format: "module", source, shortCircuit: true };
    },
});

/** Strips the types from a module as Node does, and caches the result by its source. */
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
            // The cache only saves time.
        }
        return stripped;
    }
}

/** Suppresses Node's warning that type stripping is experimental, which would show up as the program's. */
function silently(work) {
    const { emitWarning } = process;
    process.emitWarning = () => undefined;
    try {
        return work();
    } finally {
        process.emitWarning = emitWarning;
    }
}

/** Packages that the SDK loads at start but uses late, if at all, to serialise programs and to trace. */
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

/**
 * Reads a source map for each file in each resource's stack trace. Not needed: Node runs this code as
 * written.
 */
const UNUSED = "source-map-support/register";

/** Characters of a debug message that reach the engine. */
const DEBUG_CHARACTERS = 2000;

const shortened = new WeakSet();

/**
 * Shortens debug messages. The SDK repeats each response in one, with the passwords of all users, and the engine
 * writes them to a log of its own: with 1,000 users, 363 of 458 kB. The program's own are shortened too.
 */
function shortenDebug(log) {
    const { debug } = log;
    // While modules load in a circle, it is not there yet.
    if (debug === undefined || shortened.has(log)) return;
    shortened.add(log);
    log.debug = (message, ...rest) =>
        debug(typeof message === "string" ? message.slice(0, DEBUG_CHARACTERS) : message, ...rest);
}

function isLogOfSdk(request, parent) {
    return /^\.[./]*\/log$/.test(request) && /@pulumi[/\\]pulumi[/\\]/.test(parent?.filename ?? "");
}

const load = Module._load;

Module._load = function (request, parent, isMain) {
    if (request === UNUSED) return {};
    if (!LATE.has(request)) {
        const found = load.call(this, request, parent, isMain);
        if (isLogOfSdk(request, parent)) shortenDebug(found);
        return found;
    }
    let loaded;
    const real = () => (loaded ??= load.call(Module, request, parent, isMain));
    // A function, so that a proxied class can be called with `new`.
    return new Proxy(function () {}, {
        // Compiled imports ask for it; all these packages are plain CommonJS.
        get: (_target, key) => (key === "__esModule" ? undefined : real()[key]),
        has: (_target, key) => key in real(),
        apply: (_target, self, args) => Reflect.apply(real(), self, args),
        construct: (_target, args) => Reflect.construct(real(), args),
    });
};
