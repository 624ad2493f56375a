/**
 * Which room may import which. Imports point down only: what a room may not see, it cannot depend on.
 * `npm test` holds it (the job `layers`).
 */
const ROOMS = {
    "index.ts": ["components", "config"],
    commands: ["backup", "config", "dev", "lib", "providers", "verification"],
    components: ["broker", "config", "lib", "providers", "verification"],
    config: ["broker", "lib", "providers", "verification"],
    backup: ["lib", "providers"],
    verification: ["broker", "lib", "providers"],
    providers: ["lib"],
    broker: [],
    lib: [],
    // The local Fly and the providers are two readings of the API: one mistake must not hide in both.
    "dev/fly": ["lib"],
    "dev/toolchain": ["config", "dev/fly", "lib"],
    // The fixtures that specs and benchmarks share.
    "dev/harness": ["broker", "config", "dev/fly", "dev/toolchain", "lib", "providers"],
    "dev/bench": ["components", "config", "dev", "lib", "providers"],
};

/** Specs import from every room; no room imports from them. */
const TESTS = "^test/";

const own = (room) => `^${room.replace(".", "\\.")}(/|$)`;

export default {
    forbidden: [
        { name: "no-circle", severity: "error", from: {}, to: { circular: true } },
        { name: "nothing-missing", severity: "error", from: {}, to: { couldNotResolve: true } },
        {
            name: "in-a-room",
            severity: "error",
            from: {
                pathNot: [
                    "^node_modules/",
                    "\\.config\\.js$",
                    TESTS,
                    ...Object.keys(ROOMS).map(own),
                ],
            },
            to: {},
        },
        ...Object.entries(ROOMS).map(([room, may]) => ({
            name: `${room}-imports-down-only`,
            severity: "error",
            from: { path: own(room) },
            to: {
                pathNot: [own(room), ...may.map(own), "^node_modules/"],
                dependencyTypesNot: ["core"],
            },
        })),
    ],
    options: {
        doNotFollow: { path: "node_modules" },
        exclude: "^(examples|\\.toolchain|\\.local|node_modules/\\.)",
        tsPreCompilationDeps: true,
        detectProcessBuiltinModuleCalls: false,
        enhancedResolveOptions: {
            exportsFields: ["exports"],
            conditionNames: ["import", "node", "types", "default"],
        },
    },
};
