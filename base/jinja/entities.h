/* Named character references of HTML 5. Internal to base/jinja. */
#ifndef AS_BASE_JINJA_ENTITIES_H
#define AS_BASE_JINJA_ENTITIES_H

typedef struct aj_entity {
    const char *name; /* with the ';' if it needs one */
    const char *text;
} aj_entity;

extern const aj_entity aj_entities[]; /* sorted by name */
extern const int aj_entity_count;

#endif
