# Data files inside the program, so that it needs no folder of its own beside it.
#
#   assay_embed(TARGET SYMBOL [BASE dir] FILES a.json sub/b.html ...)
#
# adds to TARGET a C source that defines
#
#   const as_embedded SYMBOL[] = {{"a.json", bytes, size}, {"sub/b.html", bytes, size}, {NULL, NULL, 0}};
#
# (base/embed.h). Paths are relative to BASE, by default the current source folder, and are the names to find
# them by. Made again whenever a file changes.
cmake_minimum_required(VERSION 3.22)

if(NOT CMAKE_SCRIPT_MODE_FILE)
    set(ASSAY_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
    function(assay_embed target symbol)
        cmake_parse_arguments(PARSE_ARGV 2 ARG "" "BASE" "FILES")
        if(NOT ARG_BASE)
            set(ARG_BASE ${CMAKE_CURRENT_SOURCE_DIR})
        endif()
        set(source ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
        list(TRANSFORM ARG_FILES PREPEND ${ARG_BASE}/ OUTPUT_VARIABLE paths)
        string(JOIN "|" names ${ARG_FILES})
        add_custom_command(OUTPUT ${source}
            COMMAND ${CMAKE_COMMAND} -DSYMBOL=${symbol} -DBASE=${ARG_BASE} "-DFILES=${names}" -DOUT=${source}
                    -P ${ASSAY_EMBED_SCRIPT}
            DEPENDS ${paths} ${ASSAY_EMBED_SCRIPT}
            COMMENT "Embedding ${symbol}" VERBATIM)
        target_sources(${target} PRIVATE ${source})
    endfunction()
    return()
endif()

# Run as a script: writes the source.
string(REPLACE "|" ";" FILES "${FILES}")
set(text "/* Made by cmake/embed.cmake. */\n#include \"base/embed.h\"\n\nextern const as_embedded ${SYMBOL}[];\n")
set(table "")
set(number 0)
string(REPEAT "." 64 line)
foreach(name IN LISTS FILES)
    file(READ ${BASE}/${name} hex HEX)
    file(SIZE ${BASE}/${name} size)
    string(REGEX REPLACE "(${line})" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    # A terminator that does not count, so that a text can be read as a C string.
    string(APPEND text "static const unsigned char bytes_${number}[] = {\n${hex}0};\n")
    string(APPEND table "    {\"${name}\", bytes_${number}, ${size}},\n")
    math(EXPR number "${number} + 1")
endforeach()
string(APPEND text "\nconst as_embedded ${SYMBOL}[] = {\n${table}    {0, 0, 0},\n};\n")
file(WRITE ${OUT} "${text}")
