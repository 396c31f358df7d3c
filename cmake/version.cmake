# Writes version.h with the commit that is built: run at every build, since a pull changes it without a new configure.
#   cmake -DSOURCE=... -DFROM=version.h.in -DTO=version.h -DPROJECT_VERSION=... ... -P version.cmake
execute_process(COMMAND git rev-parse --show-toplevel WORKING_DIRECTORY ${SOURCE}
    OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(top)
    file(REAL_PATH "${top}" top)
endif()
file(REAL_PATH "${SOURCE}" source)
set(ASSAY_COMMIT "")
if("${top}" STREQUAL "${source}") # not the commit of a checkout that a plain copy of the sources lies in
    execute_process(COMMAND git describe --always --abbrev=12 --exclude=* --dirty=+ WORKING_DIRECTORY ${SOURCE}
        OUTPUT_VARIABLE ASSAY_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
configure_file(${FROM} ${TO} @ONLY) # leaves an equal file as it is
