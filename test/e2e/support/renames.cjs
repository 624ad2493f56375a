/**
 * Loaded before a program: gives resources other logical names, as if its code did. `RENAMED` has them as
 * JSON: type, and name within the component. With `ALIASED` each has its old name as an alias.
 */
const runtime = require("@pulumi/pulumi/runtime/resource");

const { RENAMED = "[]", ALIASED } = process.env;
const renamed = JSON.parse(RENAMED);
const { registerResource } = runtime;

runtime.registerResource = (...args) => {
    const [, , type, name] = args;
    if (renamed.some((one) => type.endsWith(one.type) && name.endsWith(`:${one.name}`))) {
        args[3] = `${name}-renamed`;
        const opts = args[8];
        if (ALIASED) opts.aliases = [...(opts.aliases ?? []), { name }];
    }
    return registerResource(...args);
};
