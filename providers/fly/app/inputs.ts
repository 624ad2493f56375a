/** What a program says of an app, and what the state has of it. */
import type { PropertyRules } from "../../provider.ts";
import type { Owner } from "../ownership.ts";

export interface AppInputs {
    /** Where the API is. A change is recorded: the same app must be there too. */
    endpoint: string;
    /** Unique across all of Fly. A change replaces the app and all that is in it. */
    name: string;
    /** Slug, or `personal`. Changed together with the name, which replaces the app: the API cannot move one. */
    organization: string;
    /** A change is recorded; nothing happens at Fly. */
    owner: Owner;
    /**
     * Whether a change of name or organisation, which replaces the app with all its data, is meant.
     * A change does nothing by itself. @default "refuse"
     */
    onReplace?: "refuse" | "discard";
    /** Its own name: the app is there already and is taken with all it holds. A later change does nothing. */
    importId?: string;
    /**
     * The setting that protects it. While there is one, its deletion fails before any request. A
     * change is recorded.
     */
    protectedBy?: string;
}

export interface AppOutputs extends AppInputs {
    appId: string;
    /** The real slug, where `organization` may be the alias `personal`. */
    organizationSlug: string;
    /** `NAME.fly.dev` */
    hostname: string;
}

export const APP_RULES: PropertyRules<AppInputs> = {
    endpoint: { effect: "update" },
    name: { effect: "replace" },
    organization: { effect: "replace" },
    owner: { effect: "update" },
    onReplace: { effect: "none", optional: true },
    importId: { effect: "none", optional: true },
    protectedBy: { effect: "update" },
};
