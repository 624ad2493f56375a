import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ValidateFunction } from "ajv/dist/2020.js";

export const FILE = fileURLToPath(
    new URL("../../../../shared/data/fly-machines-openapi.json", import.meta.url),
);

type Schema = Record<string, unknown> & {
    properties?: Record<string, unknown>;
    additionalProperties?: unknown;
};

type Content = Record<string, { schema?: Schema }>;

interface Operation {
    parameters?: { name: string; in: string; required?: boolean }[];
    requestBody?: { content?: Content; required?: boolean };
    responses?: Record<string, { content?: Content } | undefined>;
}

interface Document {
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, Schema> };
}

const text = { type: "string" };
const orNull = (type: string) => ({ type: [type, "null"] });
const ok = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };

/** Properties in which the live API is known to differ from its document, with the source. */
const PROPERTIES: Record<string, Record<string, unknown>> = {
    // Seen live: an app carries its host name and role; a create adds the time in milliseconds.
    App: { cname_target: text, app_role: text, created_at: { type: "integer" } },
    // fly-go's Machine type has both; the lease comes with include_leases.
    Machine: { version: text, cordoned: { type: "boolean" }, lease: { type: "object" } },
    // Fly's documentation shows null for a volume that is attached to nothing, and the host key.
    Volume: {
        attached_machine_id: orNull("string"),
        attached_alloc_id: orNull("string"),
        host_dedication_key: text,
    },
    OrgVolume: {
        attached_machine_id: orNull("string"),
        attached_alloc_id: orNull("string"),
        host_dedication_key: text,
    },
    // fly-go decodes the 6PN network an address belongs to.
    IPAssignment: { network: orNull("string") },
    // Responses still carry the old form of autostop: false, true or "suspend".
    "fly.MachineService": { autostop: { type: ["boolean", "string"] } },
    // The live API has more short codes by now.
    ErrorResponse: { status: text },
};

/** Answers that the document lacks or describes wrongly. */
const ANSWERS: Record<string, unknown> = {
    // The document says {token}; the live API sends the app.
    "POST /apps 201": { $ref: "#/components/schemas/App" },
    // A lease comes in an envelope.
    "POST /apps/{app_name}/machines/{machine_id}/lease 201": envelope(),
    "GET /apps/{app_name}/machines/{machine_id}/lease 200": envelope(),
    // The live API writes these keys in PascalCase.
    "GET /platform/regions 200": {
        type: "object",
        required: ["Regions", "Nearest"],
        properties: {
            Regions: { type: "array", items: { $ref: "#/components/schemas/main.regionRow" } },
            Nearest: text,
        },
        additionalProperties: false,
    },
    // Fly's documentation has an example, but the document has no body.
    "DELETE /apps/{app_name}/machines/{machine_id} 200": ok,
    "DELETE /apps/{app_name}/machines/{machine_id}/lease 200": {
        type: "object",
        required: ["status", "data"],
        properties: { status: text, data: ok },
        additionalProperties: false,
    },
    "POST /apps/{app_name}/machines/{machine_id}/stop 200": ok,
    "POST /apps/{app_name}/machines/{machine_id}/restart 200": ok,
    "POST /apps/{app_name}/machines/{machine_id}/signal 200": ok,
    "POST /apps/{app_name}/machines/{machine_id}/cordon 200": ok,
    "POST /apps/{app_name}/machines/{machine_id}/uncordon 200": ok,
    "POST /apps/{app_name}/machines/{machine_id}/start 200": {
        type: "object",
        required: ["previous_state"],
        properties: { previous_state: text, migrated: { type: "boolean" }, new_host: text },
        additionalProperties: false,
    },
    "POST /apps/{app_name}/volumes/{volume_id}/snapshots 200": {
        $ref: "#/components/schemas/VolumeSnapshot",
    },
};

/** Query parameters that the document lacks. */
const QUERIES: Record<string, readonly string[]> = {
    // Fly's documentation of the resource: "force: stop all Machines and delete the app".
    "DELETE /apps/{app_name}": ["force"],
};

/** Request bodies that the document describes wrongly. */
const BODIES: Record<string, unknown> = {
    // fly-go sends null to remove a secret; the document allows only strings.
    "POST /apps/{app_name}/secrets": {
        type: "object",
        required: ["values"],
        properties: {
            values: { type: "object", additionalProperties: orNull("string") },
        },
        additionalProperties: false,
    },
};

function envelope(): unknown {
    return {
        type: "object",
        required: ["status", "data"],
        properties: { status: text, data: { $ref: "#/components/schemas/Lease" } },
        additionalProperties: false,
    };
}

export const hasDocument = existsSync(FILE);

/** Fly's OpenAPI document, corrected, with every object closed: an unknown property is an error. */
export class OpenApi {
    readonly #document: Document;
    readonly #ajv: Ajv2020;
    readonly #compiled = new Map<string, ValidateFunction>();
    readonly used = new Set<string>();

    constructor() {
        this.#document = JSON.parse(readFileSync(FILE, "utf8")) as Document;
        const { schemas } = this.#document.components;
        for (const [name, properties] of Object.entries(PROPERTIES)) {
            const schema = schemas[name];
            if (schema !== undefined) schema.properties = { ...schema.properties, ...properties };
        }
        for (const schema of Object.values(schemas)) {
            if (schema.properties !== undefined) schema.additionalProperties ??= false;
        }
        this.#ajv = new Ajv2020({ strict: false, allErrors: true });
        this.#ajv.addSchema({ $id: "fly", components: this.#document.components });
    }

    static get corrected(): string[] {
        return Object.keys(ANSWERS);
    }

    static get correctedRequests(): string[] {
        return [...Object.keys(QUERIES), ...Object.keys(BODIES)];
    }

    /** Finds the document's name of a request, such as `GET /apps/{app_name}`. */
    route(method: string, path: string): string | undefined {
        const template = this.#template(method, path);
        return template && `${method} ${template}`;
    }

    /**
     * Describes what is wrong with a request; undefined if nothing is.
     * @param path after /v1, with its query
     */
    requestProblem(method: string, path: string, body: unknown): string | undefined {
        const template = this.#template(method, path);
        if (template === undefined) return `the document has no ${method} ${path}`;
        const key = `${method} ${template}`;
        const { parameters = [], requestBody } = this.#operation(method, template);
        const known = parameters.filter((one) => one.in === "query");
        const sent = [...new URLSearchParams(path.split("?")[1] ?? "").keys()];
        for (const name of sent.filter((one) => known.every((param) => param.name !== one))) {
            if (!QUERIES[key]?.includes(name)) return `${key}: no query parameter ${name}`;
            this.used.add(key);
        }
        const missing = known.find(({ name, required }) => required && !sent.includes(name));
        if (missing) return `${key}: query parameter ${missing.name} is required`;
        if (BODIES[key] !== undefined) this.used.add(key);
        const schema = BODIES[key] ?? Object.values(requestBody?.content ?? {})[0]?.schema;
        if (body === undefined) {
            return requestBody?.required ? `${key}: a body is required` : undefined;
        }
        return schema === undefined
            ? `${key}: the document has no body for it`
            : this.#mismatch(key, schema, body);
    }

    /** Describes what is wrong with an answer; undefined if nothing is. */
    problem(method: string, path: string, status: number, body: unknown): string | undefined {
        const template = this.#template(method, path);
        if (template === undefined) return `the document has no ${method} ${path}`;
        const key = `${method} ${template} ${status}`;
        const schema = ANSWERS[key] ?? this.#schemaOf(method, template, status);
        if (ANSWERS[key] !== undefined) this.used.add(key);
        if (schema === undefined) {
            return body === undefined ? undefined : `${key}: the document has no body for it`;
        }
        return this.#mismatch(key, schema, body);
    }

    #mismatch(key: string, schema: unknown, body: unknown): string | undefined {
        let validate = this.#compiled.get(key);
        if (validate === undefined) {
            const text = JSON.stringify(schema).replaceAll('"#/', '"fly#/');
            validate = this.#ajv.compile(JSON.parse(text) as object);
            this.#compiled.set(key, validate);
        }
        if (validate(body) === true) return undefined;
        return `${key}: ${this.#ajv.errorsText(validate.errors)} ${JSON.stringify(
            validate.errors?.map((error) => error.params),
        )}`;
    }

    #schemaOf(method: string, template: string, status: number): unknown {
        const { responses } = this.#operation(method, template);
        const response = responses?.[String(status)];
        // Errors have the same shape, whether or not the document lists the status.
        if (response === undefined && status >= 400) {
            return { $ref: "#/components/schemas/ErrorResponse" };
        }
        if (response === undefined) return { not: {} };
        return Object.values(response.content ?? {})[0]?.schema;
    }

    #operation(method: string, template: string): Operation {
        return this.#document.paths[template]?.[method.toLowerCase()] ?? {};
    }

    #template(method: string, path: string): string | undefined {
        const parts = (path.split("?")[0] ?? "").split("/");
        return Object.keys(this.#document.paths).find((template) => {
            const wanted = template.split("/");
            if (this.#document.paths[template]?.[method.toLowerCase()] === undefined) return false;
            return (
                wanted.length === parts.length &&
                wanted.every((part, at) => part.startsWith("{") || part === parts[at])
            );
        });
    }
}
