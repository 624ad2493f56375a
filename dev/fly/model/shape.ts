import { z } from "zod";
import { invalidArgument } from "../errors.ts";
import type { MachineConfig } from "./config.ts";

const text = z.string();
const count = z.int().nonnegative();
const strings = z.array(text);
const map = z.record(text, text);
const duration = z.union([text, z.number()]);
/** Text that HTTP can carry: a line break or a space would start another request. */
const token = text.regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
const line = text.regex(/^[\t\x20-\x7e]*$/);
/** Text that a process or container accepts: a NUL would end it early. */
const argument = text.regex(/^[^\0]*$/);

const check = z
    .looseObject({
        type: text,
        port: count,
        kind: text,
        interval: duration,
        timeout: duration,
        grace_period: duration,
        method: token,
        path: text.regex(/^[\x21-\xff]*$/),
        protocol: text,
        headers: z.array(z.looseObject({ name: token, values: z.array(line) })),
        tls_skip_verify: z.boolean(),
        tls_server_name: line,
    })
    .partial();

const port = z
    .looseObject({
        port: count,
        start_port: count,
        end_port: count,
        handlers: strings,
        force_https: z.boolean(),
        tls_options: z.looseObject({ alpn: strings, versions: strings }).partial(),
        proxy_proto_options: z.looseObject({ version: text }).partial(),
    })
    .partial();

const service = z
    .looseObject({
        protocol: text,
        internal_port: count,
        ports: z.array(port),
        checks: z.array(check),
        concurrency: z.looseObject({ type: text, soft_limit: count, hard_limit: count }).partial(),
        autostart: z.boolean(),
        autostop: z.union([text, z.boolean()]),
        min_machines_running: count,
    })
    .partial();

const commands = {
    exec: z.array(argument),
    entrypoint: z.array(argument),
    cmd: z.array(argument),
};

/**
 * Types of the properties that this server acts on. All are optional here: required ones are checked
 * elsewhere.
 */
const shape = z
    .looseObject({
        image: text,
        env: map,
        metadata: map,
        auto_destroy: z.boolean(),
        guest: z
            .looseObject({ cpu_kind: text, cpus: count, memory_mb: count, kernel_args: strings })
            .partial(),
        init: z.looseObject({ ...commands, tty: z.boolean(), swap_size_mb: count }).partial(),
        mounts: z.array(z.looseObject({ volume: text, name: text, path: argument }).partial()),
        services: z.array(service),
        checks: z.record(text, check),
        restart: z.looseObject({ policy: text, max_retries: count }).partial(),
        stop_config: z.looseObject({ signal: text, timeout: duration }).partial(),
        files: z.array(
            z
                .looseObject({
                    guest_path: argument,
                    raw_value: text,
                    secret_name: text,
                    mode: count.max(0o7777),
                })
                .partial(),
        ),
        processes: z.array(
            z
                .looseObject({
                    ...commands,
                    env: map,
                    user: argument,
                    secrets: z.array(z.looseObject({ env_var: text, name: text }).partial()),
                    ignore_app_secrets: z.boolean(),
                })
                .partial(),
        ),
        dns: z.looseObject({}),
    })
    .partial();

/** Removes nulls, which Fly treats as omitted. */
function withoutNulls(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(withoutNulls);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
        Object.entries(value)
            .filter(([, inner]) => inner !== null)
            .map(([key, inner]) => [key, withoutNulls(inner)]),
    );
}

/**
 * Checks the types of a machine's config.
 * @throws 400 that names the first property of a wrong type
 */
export function shapeOf(input: object): MachineConfig {
    const given = withoutNulls(input);
    const { error } = shape.safeParse(given);
    const [wrong] = error?.issues ?? [];
    if (wrong !== undefined) {
        const at = wrong.path.map((key) =>
            typeof key === "number" ? `[${key}]` : `.${String(key)}`,
        );
        throw invalidArgument(`invalid config${at.join("")}: ${wrong.message}`);
    }
    return given as MachineConfig;
}
