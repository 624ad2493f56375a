/**
 * Loaded before Pulumi's host for dynamic providers. Its SDK loads TypeScript and npm's arborist at the
 * start, for serialising programs, which a host does not do: 300 of the 500 ms that every preview waits
 * for it. Here each is loaded when something of it is first used.
 */
const Module = require("node:module");

const LATE = new Set(["typescript", "@npmcli/arborist"]);
const load = Module._load;

Module._load = function (request, parent, isMain) {
    if (!LATE.has(request)) return load.call(this, request, parent, isMain);
    let loaded;
    const real = () => (loaded ??= load.call(Module, request, parent, isMain));
    // A function, so that a module which is a class can be called with `new`.
    return new Proxy(function () {}, {
        // Asked by compiled imports; both are plain CommonJS.
        get: (_target, key) => (key === "__esModule" ? undefined : real()[key]),
        has: (_target, key) => key in real(),
        apply: (_target, self, args) => Reflect.apply(real(), self, args),
        construct: (_target, args) => Reflect.construct(real(), args),
    });
};
