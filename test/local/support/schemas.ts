/** Lists the fields of a schema in Fly's OpenAPI document. */
import { existsSync, readFileSync } from "node:fs";
import { FILE } from "./openapi.ts";

interface Schema {
    type?: string;
    $ref?: string;
    allOf?: Schema[];
    items?: Schema;
    properties?: Record<string, Schema>;
    additionalProperties?: Schema | boolean;
}

export interface Leaf {
    /** `services.*.ports.*.force_https` */
    path: string;
    /** The field with its type's zero value. */
    zero: Record<string, unknown>;
    /** Another field of the same object, with a value. */
    beside: Record<string, unknown>;
}

const ZEROS: Record<string, unknown> = { boolean: false, integer: 0, number: 0, string: "" };

/** Reads the document's schemas; none if the document is not available. */
export function openApiSchemas(): Record<string, Schema> {
    if (!existsSync(FILE)) return {};
    const document = JSON.parse(readFileSync(FILE, "utf8")) as {
        components: { schemas: Record<string, Schema> };
    };
    return document.components.schemas;
}

/** Lists every field of a plain type below the schema, at any depth. */
export function leavesOf(schemas: Record<string, Schema>, name: string): Leaf[] {
    const resolve = (schema: Schema): Schema => {
        const reference = schema.$ref ?? schema.allOf?.[0]?.$ref;
        return reference ? (schemas[reference.split("/").at(-1)!] ?? {}) : schema;
    };
    const walk = (schema: Schema, path: string[]): Leaf[] => {
        const { items, properties = {}, additionalProperties } = resolve(schema);
        if (items) return walk(items, [...path, "*"]);
        if (typeof additionalProperties === "object") {
            return walk(additionalProperties, [...path, "*"]);
        }
        return Object.entries(properties).flatMap(([key, property]) => {
            const zero = ZEROS[resolve(property).type ?? ""];
            if (zero === undefined) return walk(property, [...path, key]);
            return [
                { path: [...path, key].join("."), zero: { [key]: zero }, beside: { other: "set" } },
            ];
        });
    };
    return walk(schemas[name] ?? {}, []);
}
