import com.pixelmed.dicom.AttributeList;
import com.pixelmed.validate.DicomSRValidator;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import javax.xml.transform.Source;
import javax.xml.transform.Transformer;
import javax.xml.transform.URIResolver;

/** Judges each report whose path comes in as a line: its validator reads 6 MB of rules when it starts, once for all. */
public class PixelMedJudge {
    public static void main(String[] arguments) throws Exception {
        DicomSRValidator validator = new DicomSRValidator();
        nameDocuments(validator);
        BufferedReader paths = new BufferedReader(new InputStreamReader(System.in));
        for (String path = paths.readLine(); path != null; path = paths.readLine()) {
            System.out.println(judged(validator, path) + "\n== judged");
            System.out.flush();
        }
    }

    /**
     * The rules look every code up in a list of context groups. The validator hands the list over without a name, so that
     * Java does not know it again and reads it anew for each code; with a name it is read once a report.
     */
    private static void nameDocuments(DicomSRValidator validator) throws ReflectiveOperationException {
        Field field = DicomSRValidator.class.getDeclaredField("transformerPass1");
        field.setAccessible(true);
        Transformer rules = (Transformer) field.get(validator);
        URIResolver found = rules.getURIResolver();
        rules.setURIResolver((name, base) -> {
            Source source = found.resolve(name, base);
            source.setSystemId(name);
            return source;
        });
    }

    private static String judged(DicomSRValidator validator, String path) {
        try {
            AttributeList list = new AttributeList();
            list.read(path);
            return validator.validate(list);
        } catch (Exception error) {
            return "Exception: " + error;
        }
    }
}
