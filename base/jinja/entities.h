/* Named character references of HTML 5. Internal to base/jinja. */
#ifndef AS_BASE_JINJA_ENTITIES_H
#define AS_BASE_JINJA_ENTITIES_H

typedef struct as_jinja_entity {
    const char *name; /* with the ';' if it needs one */
    const char *text;
} as_jinja_entity;

extern const as_jinja_entity as_jinja_entities[]; /* sorted by name */
extern const int as_jinja_entity_count;

#endif
