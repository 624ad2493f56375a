/**
 * Stack config → plain, validated settings. Every mistake is found before anything is declared, and
 * all of them are listed at once, each with its key, the rule and the value seen.
 */
import { z } from "zod";
import { appNameProblem, guestProblems } from "../providers/fly/rules.ts";
import { passwordProblem, userNameProblem } from "../providers/kept/password.ts";

export interface Settings {
    /** Fly app name; undefined: one is made from project and stack and kept in the state. */
    appName: string | undefined;
    /** Fly organisation's slug. */
    organization: string;
    /** Fly region code of volume and machine, e.g. `lhr`. A change replaces both. */
    region: string;
    /** External TCP port of the broker. */
    port: number;
    users: User[];
    /** Gigabytes; grows in place, never shrinks. */
    volumeSizeGb: number;
    /** Pulumi's `protect` on the volume: it can't be deleted until this is off. */
    protectVolume: boolean;
    guest: { cpuKind: "shared" | "performance"; cpus: number; memoryMb: number };
    addresses: { ipv6: boolean; ipv4: boolean };
    /** What the commands for clients name: `APP.fly.dev`, or the address that Fly assigned. */
    connectBy: "hostname" | "address";
    /** Names that the server certificate carries beside the app's own. */
    hostnames: string[];
    /** Days that a server certificate is valid, and days before its end when `up` renews it. */
    certificate: { validDays: number; renewDays: number };
    baseImage: string;
    /** Base of the Machines API, without `/v1`. */
    endpoint: string;
    /** Host (and port) of the registry that the image is pushed to. */
    registry: string;
}

export interface User {
    name: string;
    /** Given in the secret config `passwords`; undefined: one is generated and kept. */
    password: string | undefined;
}

/** All that is wrong with a stack's settings. `problems` has one line a mistake. */
export class SettingsError extends Error {
    readonly problems: string[];
    constructor(stack: string, problems: string[]) {
        const count = problems.length === 1 ? "One setting is" : `${problems.length} settings are`;
        super(
            `${count} wrong (Pulumi.${stack}.yaml); nothing was changed:\n` +
                problems.map((problem) => `  - ${problem}`).join("\n"),
        );
        this.name = "SettingsError";
        this.problems = problems;
    }
}

export const DEFAULT_BASE_IMAGE = "eclipse-mosquitto:2.1.2-alpine";

const integer = (min: number, max: number) =>
    z.coerce
        .number({ error: `must be a whole number from ${min} to ${max}` })
        .int(`must be a whole number from ${min} to ${max}`)
        .min(min, `must be a whole number from ${min} to ${max}`)
        .max(max, `must be a whole number from ${min} to ${max}`);

const flag = z
    .enum(["true", "false"], { error: "must be true or false" })
    .transform((value) => value === "true");

/** A rule that the providers check too: its problem names the value by itself. */
const rule = (problem: (value: string) => string | undefined) =>
    z.string({ error: "must be a string" }).superRefine((value, context) => {
        const message = problem(value);
        if (message !== undefined) context.addIssue({ code: "custom", message, params: SAYS_ALL });
    });

const SAYS_ALL = { saysAll: true };

/** A structured setting arrives as JSON text. */
const json = <T extends z.ZodType>(schema: T, shape: string) =>
    z.string().transform((text, context): z.output<T> => {
        let value: unknown;
        try {
            value = JSON.parse(text);
        } catch {
            value = text;
        }
        const parsed = schema.safeParse(value);
        if (parsed.success) return parsed.data;
        for (const issue of parsed.error.issues) {
            const own = issue.code !== "invalid_type";
            context.addIssue({
                code: "custom",
                path: issue.path,
                message: own ? issue.message : `must be ${shape}`,
                ...(issue.code === "custom" && { params: issue.params }),
            });
        }
        return z.NEVER;
    });

const unique = (values: string[], context: z.RefinementCtx) => {
    values.forEach((value, at) => {
        if (values.indexOf(value) !== at) {
            context.addIssue({ code: "custom", path: [at], message: "is there twice" });
        }
    });
};

const url = z.url({ protocol: /^https?$/, error: "must be an http or https URL" });

const label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
const hostname = z
    .string()
    .regex(new RegExp(`^(\\*\\.)?${label}(\\.${label})*$`), "must be a host name");

const schema = z.object({
    appName: rule(appNameProblem).optional(),
    organization: z
        .string()
        .regex(/^[a-z0-9-]+$/, "must be an organisation's slug")
        .default("personal"),
    region: z
        .string()
        .regex(/^[a-z]{3}$/, "must be a Fly region of three letters, as lhr")
        .default("lhr"),
    port: integer(1, 65535).default(10000),
    users: json(
        z
            .array(rule(userNameProblem), { error: "must be a list of user names" })
            .min(1, "must name at least one user: nobody could connect")
            .superRefine(unique),
        "a list of user names",
    ),
    volumeSizeGb: integer(1, 500).default(1),
    protectVolume: flag.default(false),
    cpuKind: z
        .enum(["shared", "performance"], { error: "must be shared or performance" })
        .default("shared"),
    cpus: integer(1, 128).default(1),
    memoryMb: integer(256, 128 * 8192).default(256),
    ipv6: flag.default(true),
    ipv4: flag.default(false),
    connectBy: z
        .enum(["hostname", "address"], { error: "must be hostname or address" })
        .default("hostname"),
    hostnames: json(z.array(hostname).superRefine(unique), "a list of host names").default([]),
    certificateValidDays: integer(1, 825).default(365),
    certificateRenewDays: integer(0, 824).default(30),
    baseImage: z
        .string()
        .regex(/^[a-z0-9][a-z0-9._/:@-]*$/, "must be an image reference")
        .default(DEFAULT_BASE_IMAGE),
    endpoint: url.default("https://api.machines.dev"),
    registry: z
        .string()
        .regex(/^[a-z0-9.-]+(:\d+)?$/i, "must be a host, or host:port, without scheme or path")
        .default("registry.fly.io"),
});

const passwordsSchema = json(z.record(z.string(), z.string()), "a map of user name to password");

const SECRET_KEYS = ["passwords"];

/**
 * @param raw the stack's config of this project, keys without the namespace, values as Pulumi
 *     hands them over (structured ones as JSON text, secrets in clear)
 * @throws SettingsError with all mistakes
 */
export function parseSettings(raw: Readonly<Record<string, string>>, stack: string): Settings {
    const problems: string[] = [];
    const known = [...Object.keys(schema.shape), ...SECRET_KEYS];
    for (const key of Object.keys(raw)) {
        if (!known.includes(key)) {
            problems.push(`${key}: is not a setting; there are ${known.join(", ")}`);
        }
    }
    const { passwords: rawPasswords, ...plain } = raw;
    const parsed = schema.safeParse({ ...plain, users: raw.users ?? "[]" });
    if (!parsed.success) {
        for (const issue of parsed.error.issues) {
            const [key, ...inner] = issue.path.map(String);
            const place = [key, ...inner].join(".");
            const saysAll = issue.code === "custom" && issue.params === SAYS_ALL;
            const value = saysAll ? "" : `; it is ${seen(raw[key ?? ""], inner)}`;
            problems.push(`${place}: ${issue.message}${value}`);
        }
    }
    const names = parsed.success ? parsed.data.users : [];
    const passwords = parsePasswords(rawPasswords, parsed.success ? names : undefined, problems);
    if (parsed.success) problems.push(...acrossSettings(parsed.data));
    if (!parsed.success || problems.length > 0) throw new SettingsError(stack, problems);

    const { cpuKind, cpus, memoryMb, ipv6, ipv4, certificateValidDays, certificateRenewDays } =
        parsed.data;
    return {
        appName: parsed.data.appName,
        organization: parsed.data.organization,
        region: parsed.data.region,
        port: parsed.data.port,
        users: names.map((name) => ({ name, password: passwords[name] })),
        volumeSizeGb: parsed.data.volumeSizeGb,
        protectVolume: parsed.data.protectVolume,
        guest: { cpuKind, cpus, memoryMb },
        addresses: { ipv6, ipv4 },
        connectBy: parsed.data.connectBy,
        hostnames: parsed.data.hostnames,
        certificate: { validDays: certificateValidDays, renewDays: certificateRenewDays },
        baseImage: parsed.data.baseImage,
        endpoint: parsed.data.endpoint.replace(/\/+$/, ""),
        registry: parsed.data.registry,
    };
}

/** Rules that need more than one setting. */
function acrossSettings(data: z.output<typeof schema>): string[] {
    const problems: string[] = [];
    const { cpuKind: cpu_kind, cpus, memoryMb: memory_mb } = data;
    const guest = guestProblems({ cpu_kind, cpus, memory_mb });
    problems.push(...guest.map((problem) => `cpuKind, cpus, memoryMb: ${problem}`));
    if (!data.ipv6 && !data.ipv4) {
        problems.push("ipv6, ipv4: both are false, so no client could reach the broker");
    }
    if (data.certificateRenewDays >= data.certificateValidDays) {
        problems.push(
            `certificateRenewDays: must be below certificateValidDays (${data.certificateValidDays}), ` +
                `or every up would renew; it is ${data.certificateRenewDays}`,
        );
    }
    return problems;
}

/** A password's text is never part of a message: its length is what can be said. */
function parsePasswords(
    raw: string | undefined,
    users: string[] | undefined,
    problems: string[],
): Record<string, string> {
    if (raw === undefined) return {};
    const parsed = passwordsSchema.safeParse(raw);
    if (!parsed.success) {
        problems.push("passwords: must be a map of user name to password; it is something else");
        return {};
    }
    for (const [user, password] of Object.entries(parsed.data)) {
        if (users !== undefined && !users.includes(user)) {
            problems.push(
                `passwords.${user}: is for a user that is not in users (${users.join(", ")})`,
            );
        }
        const problem = passwordProblem(password);
        if (problem !== undefined) problems.push(`passwords.${user}: ${problem}`);
    }
    return parsed.data;
}

function seen(value: string | undefined, inner: string[]): string {
    if (value === undefined) return "not set";
    let part: unknown = value;
    if (inner.length > 0) {
        part = JSON.parse(value);
        for (const key of inner) part = (part as Record<string, unknown> | undefined)?.[key];
    }
    const text = typeof part === "string" ? part : JSON.stringify(part);
    return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}
